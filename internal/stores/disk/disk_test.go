package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/stores/disk"
	"github.com/terrazzo-data/terrazzo/store"
	"github.com/terrazzo-data/terrazzo/store/storetest"
)

func open(tb testing.TB, dir string, capacity int64) *disk.Store {
	tb.Helper()
	s, err := disk.Open(disk.Options{Dir: dir, Capacity: capacity, MaxValue: capacity})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, capacity int64) store.Store {
		t.Helper()
		return open(t, t.TempDir(), capacity)
	})
}

// TestTwoProcesses: what one writes, replaces or discards, the other sees at once.
func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir, 1<<20), open(t, dir, 1<<20)
	want := func(s store.Store, body string) {
		t.Helper()
		if _, got := storetest.Get(t, s, "k"); string(got) != body {
			t.Errorf("got %q, want %q", got, body)
		}
	}
	storetest.Put(t, a, "k", store.Meta{Size: 3, Groups: []string{"g"}}, []byte("one"))
	want(b, "one")
	storetest.Put(t, b, "k", store.Meta{Size: 3, Groups: []string{"g"}}, []byte("two"))
	want(a, "two")
	if err := a.DeleteGroup(t.Context(), "g"); err != nil {
		t.Fatal(err)
	}
	want(b, "")
	storetest.Put(t, a, "k", store.Meta{Size: 5}, []byte("three"))
	if err := b.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	want(a, "")
	if a.Stats().Bytes != b.Stats().Bytes {
		t.Errorf("%d and %d bytes", a.Stats().Bytes, b.Stats().Bytes)
	}
}

// TestDiscardedWhileWritten: a group that is discarded takes with it what is being
// written (law 2).
func TestDiscardedWhileWritten(t *testing.T) {
	s := open(t, t.TempDir(), 1<<20)
	w, err := s.Put(t.Context(), "k", store.Meta{Size: 1, Groups: []string{"g"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteGroup(t.Context(), "g"); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if _, got := storetest.Get(t, s, "k"); got != nil {
		t.Error("what was discarded while it was written is served")
	}
}

// TestReopen: values, counts and discards outlive the process.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir, 1<<20)
	storetest.Put(t, first, "a", store.Meta{Header: []byte("h"), Size: 1, Groups: []string{"g"}}, []byte("a"))
	storetest.Put(t, first, "b", store.Meta{Size: 1}, []byte("b"))
	if err := first.DeleteGroup(t.Context(), "g"); err != nil {
		t.Fatal(err)
	}
	before := first.Stats()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir, 1<<20)
	if after := again.Stats(); after.Bytes != before.Bytes || after.Entries != before.Entries {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if _, got := storetest.Get(t, again, "a"); got != nil {
		t.Error("what was discarded is back")
	}
	if _, got := storetest.Get(t, again, "b"); string(got) != "b" {
		t.Errorf("got %q", got)
	}
}

// files lists the value files.
func files(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "??", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestEveryDamageIsAMiss: any byte changed, any length cut, and never another answer.
func TestEveryDamageIsAMiss(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 1<<20)
	fill := func() (path string, whole []byte) {
		storetest.Put(t, s, "key", store.Meta{Header: []byte("header"), Size: 4, Groups: []string{"g"}}, []byte("body"))
		path = files(t, dir)[0]
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return path, whole
	}
	_, whole := fill()
	for i := range whole {
		path, bytes := fill()
		bytes[i] ^= 0x20
		damaged(t, s, path, bytes)
		path, bytes = fill()
		damaged(t, s, path, bytes[:i])
	}
	path, bytes := fill()
	damaged(t, s, path, append(bytes, 0))
	if st := s.Stats(); st.Errors == 0 || st.Entries != 0 || st.Bytes != 0 {
		t.Errorf("stats %+v", st)
	}
}

func damaged(t *testing.T, s *disk.Store, path string, bytes []byte) {
	t.Helper()
	if err := os.WriteFile(path, bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, got := storetest.Get(t, s, "key"); got != nil {
		t.Errorf("a damaged file was served: %q", bytes)
	}
}

// TestDamagedState: the state is made anew and counted; the bound holds.
func TestDamagedState(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 1<<20)
	storetest.Put(t, s, "k", store.Meta{Size: 10_000}, make([]byte, 10_000))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, state := range [][]byte{nil, []byte("not ours"), make([]byte, 1<<20)} {
		if err := os.WriteFile(filepath.Join(dir, "state"), state, 0o600); err != nil {
			t.Fatal(err)
		}
		again := open(t, dir, 1<<20)
		if st := again.Stats(); st.Bytes != 12288 || st.Entries != 1 {
			t.Errorf("counted %+v", st)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]disk.Options{"no directory": {Capacity: 1}, "no capacity": {Dir: t.TempDir()}} {
		if _, err := disk.Open(o); !errors.Is(err, errdef.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A file system of another kind: proc is none that is local and writable either.
	if _, err := disk.Open(disk.Options{Dir: "/proc/terrazzo", Capacity: 1}); err == nil {
		t.Error("a directory that cannot be made was opened")
	}
}
