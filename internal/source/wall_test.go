package source_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/source"
)

// put writes a file and the folders above it.
func put(t *testing.T, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func symlink(t *testing.T, target, link string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
}

func wall(t *testing.T, dir string, opts source.WallOptions) *source.Wall {
	t.Helper()
	w, err := source.OpenWall(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// TestWallLinks: links end in the tree or in an allowed root, of whatever kind
// and by whatever way.
func TestWallLinks(t *testing.T) {
	base := t.TempDir()
	tree, allowed, outside := filepath.Join(base, "tree"), filepath.Join(base, "allowed"), filepath.Join(base, "outside")
	put(t, tree, "a/in.txt", "in")
	put(t, allowed, "deep/ok.txt", "ok")
	put(t, outside, "secret.txt", "secret")
	put(t, filepath.Join(base, "tree-beside"), "secret.txt", "secret") // shares the prefix of the name
	symlink(t, "in.txt", filepath.Join(tree, "a/relative"))
	symlink(t, "../a/in.txt", filepath.Join(tree, "b/up"))
	symlink(t, filepath.Join(tree, "a/in.txt"), filepath.Join(tree, "absolute"))
	symlink(t, filepath.Join(tree, "a"), filepath.Join(tree, "folder"))
	symlink(t, filepath.Join(allowed, "deep"), filepath.Join(tree, "allowed"))
	symlink(t, "../../allowed/deep/ok.txt", filepath.Join(tree, "b/allowed"))
	symlink(t, filepath.Join(outside, "secret.txt"), filepath.Join(allowed, "deep/leak"))
	symlink(t, filepath.Join(outside, "secret.txt"), filepath.Join(tree, "escape"))
	symlink(t, "../outside/secret.txt", filepath.Join(tree, "escape-relative"))
	symlink(t, outside, filepath.Join(tree, "escape-folder"))
	symlink(t, "../tree-beside/secret.txt", filepath.Join(tree, "beside"))
	symlink(t, "escape", filepath.Join(tree, "chain"))
	symlink(t, "/", filepath.Join(tree, "root"))
	symlink(t, "/proc/self/root", filepath.Join(tree, "magic"))
	symlink(t, "loop2", filepath.Join(tree, "loop1"))
	symlink(t, "loop1", filepath.Join(tree, "loop2"))
	symlink(t, filepath.Join(tree, "loop4"), filepath.Join(tree, "loop3"))
	symlink(t, filepath.Join(tree, "loop3"), filepath.Join(tree, "loop4"))
	symlink(t, "nowhere", filepath.Join(tree, "dangling"))
	symlink(t, filepath.Join(tree, "nowhere"), filepath.Join(tree, "dangling-absolute"))
	w := wall(t, tree, source.WallOptions{Allow: []string{allowed}})
	for name, want := range map[string]any{
		"a/in.txt": "in", "a/relative": "in", "b/up": "in", "absolute": "in", "folder/in.txt": "in",
		"allowed/ok.txt": "ok", "b/allowed": "ok",
		"allowed/leak": errdef.ErrForbidden, "escape": errdef.ErrForbidden, "escape-relative": errdef.ErrForbidden,
		"escape-folder/secret.txt": errdef.ErrForbidden, "beside": errdef.ErrForbidden, "chain": errdef.ErrForbidden,
		"root/etc/passwd": errdef.ErrForbidden, "magic/etc/passwd": errdef.ErrForbidden,
		"loop1": errdef.ErrUnprocessable, "loop3": errdef.ErrUnprocessable,
		"dangling": errdef.ErrGone, "dangling-absolute": errdef.ErrGone,
		"missing": errdef.ErrNotFound, "a/in.txt/below": errdef.ErrNotFound, "a": errdef.ErrUnprocessable,
		"": errdef.ErrNotFound, "..": errdef.ErrNotFound, "../outside/secret.txt": errdef.ErrNotFound,
		"a/../../outside/secret.txt": errdef.ErrNotFound, "/etc/passwd": errdef.ErrNotFound, "a//in.txt": errdef.ErrNotFound,
		"a/in.txt\x00": errdef.ErrNotFound, strings.Repeat("x", 300): errdef.ErrNotFound,
	} {
		f, err := w.Open(t.Context(), name)
		if kind, ok := want.(error); ok {
			if !errors.Is(err, kind) {
				t.Errorf("%q: %v, want %v", name, err, kind)
			}
			if errors.Is(kind, errdef.ErrForbidden) && !strings.Contains(err.Error(), "--allow-root /") {
				t.Errorf("%q: the error does not say what to allow: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		b := make([]byte, f.Size())
		if _, err := f.ReadAt(b, 0); err != nil || string(b) != want {
			t.Errorf("%q: %q, %v", name, b, err)
		}
		_ = f.Close()
	}
}

// TestWallNames: any bytes but NUL make a name.
func TestWallNames(t *testing.T) {
	dir := t.TempDir()
	names := []string{"with space", "100%", "%2e%2e", "a#b?c", "über 微", "bad\xff\xfebytes", "new\nline", `back\slash`, ".hidden", "...", "-rf", "trailing."}
	for _, name := range names {
		put(t, dir, name, name)
	}
	w := wall(t, dir, source.WallOptions{})
	for _, name := range names {
		f, err := w.Open(t.Context(), name)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if f.Size() != int64(len(name)) {
			t.Errorf("%q: size %d", name, f.Size())
		}
		_ = f.Close()
	}
}

// TestWallThings: what is no regular file is refused, and never opened.
func TestWallThings(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	symlink(t, "fifo", filepath.Join(dir, "link"))
	counts := newCounter()
	w := wall(t, dir, source.WallOptions{Recorder: counts})
	for _, name := range []string{"fifo", "socket", "link", "."} {
		if _, err := w.Open(t.Context(), name); !errors.Is(err, errdef.ErrUnprocessable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := counts.get(source.Opens); n != 0 {
		t.Errorf("%d opens", n)
	}
	devices := wall(t, "/dev", source.WallOptions{})
	if _, err := devices.Open(t.Context(), "zero"); !errors.Is(err, errdef.ErrUnprocessable) {
		t.Errorf("a device: %v", err)
	}
}

// TestWallReadDir: entries of a folder, links not followed.
func TestWallReadDir(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "f/x", "")
	symlink(t, "nowhere", filepath.Join(dir, "f/l"))
	w := wall(t, dir, source.WallOptions{})
	seen := map[string]fs.FileMode{}
	stamp, err := w.ReadDir(t.Context(), "f", func(e fs.DirEntry) { seen[e.Name()] = e.Type() })
	if err != nil || len(seen) != 2 || seen["l"] != fs.ModeSymlink {
		t.Errorf("%v, %v", seen, err)
	}
	now, mode, err := w.Stat(t.Context(), "f")
	if err != nil || now != stamp || !mode.IsDir() {
		t.Errorf("%+v, %+v, %v", now, stamp, err)
	}
	if _, err := w.ReadDir(t.Context(), "f/x", func(fs.DirEntry) {}); !errors.Is(err, errdef.ErrNotFound) {
		t.Errorf("a file: %v", err)
	}
	if _, err := source.OpenWall(filepath.Join(dir, "none"), source.WallOptions{}); !errors.Is(err, errdef.ErrNotFound) {
		t.Errorf("no folder: %v", err)
	}
}

// TestWallRevalidateOpen: on storage that says so, only opening tells.
func TestWallRevalidateOpen(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "x", "1")
	counts := newCounter()
	w := wall(t, dir, source.WallOptions{Recorder: counts, Storage: source.Storage{Consistency: source.NFS, Revalidate: source.RevalidateOpen}})
	if _, _, err := w.Stat(t.Context(), "x"); err != nil || counts.get(source.Opens) != 1 || counts.get(source.BytesRead) != 0 {
		t.Errorf("%v, %d opens", err, counts.get(source.Opens))
	}
	if s := w.Storage(); s.TrustAfter <= 0 || s.Consistency != source.NFS {
		t.Errorf("%+v", s)
	}
}

var _ adapter.File = (*source.File)(nil)

// TestReadDirLooksAtNothing: os.Root would look at each entry of a folder. That
// cannot be counted from here, but what it holds of each can.
func TestReadDirLooksAtNothing(t *testing.T) {
	dir := t.TempDir()
	const files = 2000
	for i := range files {
		put(t, dir, fmt.Sprintf("f%05d", i), "")
	}
	w := wall(t, dir, source.WallOptions{})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n := 0
	if _, err := w.ReadDir(t.Context(), ".", func(fs.DirEntry) { n++ }); err != nil || n != files {
		t.Fatalf("%d, %v", n, err)
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / files; each > 300 {
		t.Errorf("%d bytes an entry, more than a name and a kind take", each)
	} else {
		t.Logf("%d bytes an entry", each)
	}
}
