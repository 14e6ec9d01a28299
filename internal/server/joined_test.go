package server

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/internal/config"
	"github.com/terrazzo-data/terrazzo/internal/source"
)

// numbered writes a file of rows of two unsigned numbers, counted from first.
func numbered(t *testing.T, file string, rows, first int, columns int) {
	t.Helper()
	header := fmt.Sprintf("{'descr': '<u4', 'fortran_order': False, 'shape': (%d, %d)}", rows, columns)
	b := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), 0)
	b = append(b, header...)
	for i := range rows * columns {
		b = binary.LittleEndian.AppendUint32(b, uint32(first*columns+i))
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(file, old, old); err != nil {
		t.Fatal(err)
	}
}

type joinedWorld struct {
	*testing.T
	dir string
	s   *Server
}

func newJoinedWorld(t *testing.T) *joinedWorld {
	t.Helper()
	w := &joinedWorld{T: t, dir: t.TempDir()}
	for i := range 12 {
		numbered(t, filepath.Join(w.dir, fmt.Sprintf("scan_%d.npy", i+1)), 3, 3*i, 2)
	}
	c := settings()
	c.Own.Prefetch = false // which opens files that nobody asked for
	args := config.TreeArgs{Directory: w.dir, Files: "scan_*.npy", Storage: config.Storage{TrustAfter: 1e-6}}
	rows := args
	rows.Join = "concatenate"
	c.Trees = []config.Tree{{Tree: "join", Path: "/stack", Args: args}, {Tree: "join", Path: "/rows", Args: rows}}
	var err error
	if w.s, err = New(c, Program{Version: "test"}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.s.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *joinedWorld) get(target, etag string) *httptest.ResponseRecorder {
	w.Helper()
	r := httptest.NewRequestWithContext(w.Context(), http.MethodGet, "/api/v1"+target, nil)
	r.Header.Set("Authorization", "Apikey secret")
	if etag != "" {
		r.Header.Set("If-None-Match", etag)
	}
	out := httptest.NewRecorder()
	w.s.handler.ServeHTTP(out, r)
	return out
}

// opens are the files that were opened since it was asked last.
func (w *joinedWorld) opens() int64 { return w.s.files.counts[source.Opens].Swap(0) }

// numbers is an answer in JSON.
func (w *joinedWorld) numbers(target string) string {
	w.Helper()
	r := w.get(target, "")
	if r.Code != http.StatusOK {
		return fmt.Sprint(r.Code, " ", r.Body)
	}
	var v any
	if err := json.Unmarshal(r.Body.Bytes(), &v); err != nil {
		w.Fatal(err)
	}
	return fmt.Sprint(v)
}

// TestJoined: files as one array, of which a request opens those it takes
// something of; files that come, change and go are seen at once.
func TestJoined(t *testing.T) {
	w := newJoinedWorld(t)
	if got := w.numbers("/array/full/stack?format=json&slice=9,1"); got != "[56 57]" {
		t.Errorf("the tenth file in natural order: %s", got)
	}
	if n := w.opens(); n > 3 {
		t.Errorf("%d files were opened to stack two", n)
	}
	if got := w.numbers("/array/full/rows?format=json&slice=29:31"); got != "[[58 59] [60 61]]" {
		t.Errorf("rows of two files: %s", got)
	}
	w.opens()
	if got, n := w.numbers("/array/full/rows?format=json&slice=0"), w.opens(); got != "[0 1]" || n > 1 {
		t.Errorf("one row opened %d files, and is %s", n, got)
	}
	etag := w.get("/array/full/rows?slice=0", "").Header().Get("ETag")

	numbered(t, filepath.Join(w.dir, "scan_13.npy"), 2, 36, 2)
	if got := w.numbers("/array/full/rows?format=json&slice=-1"); got != "[74 75]" {
		t.Errorf("a file was added, and the last row is %s", got)
	}
	if got := w.get("/array/full/stack?slice=12", ""); got.Code != http.StatusUnprocessableEntity || !strings.Contains(got.Body.String(), "scan_13.npy: has the shape [2 2]") {
		t.Errorf("a file of another shape in a stack: %d %s", got.Code, got.Body)
	}
	if got := w.numbers("/array/full/stack?format=json&slice=11,0"); got != "[66 67]" {
		t.Errorf("the files beside it: %s", got)
	}
	if etag != "" {
		w.opens()
		if got := w.get("/array/full/rows?slice=0", etag); got.Code != http.StatusNotModified || w.opens() != 0 {
			t.Errorf("what was there before is %d after a file was added", got.Code)
		}
	}
	numbered(t, filepath.Join(w.dir, "scan_2.npy"), 3, 100, 2)
	if got := w.numbers("/array/full/rows?format=json&slice=3"); got != "[200 201]" {
		t.Errorf("a file was replaced, and its row is %s", got)
	}
	if err := os.Remove(filepath.Join(w.dir, "scan_1.npy")); err != nil {
		t.Fatal(err)
	}
	if got := w.numbers("/array/full/rows?format=json&slice=0"); got != "[200 201]" {
		t.Errorf("the first file was removed, and the first row is %s", got)
	}
	numbered(t, filepath.Join(w.dir, "scan_5.npy"), 3, 0, 7)
	if got := w.get("/array/full/rows?slice=0", ""); got.Code != http.StatusUnprocessableEntity || !strings.Contains(got.Body.String(), "scan_5.npy") {
		t.Errorf("a file of other columns: %d %s", got.Code, got.Body)
	}
}

// TestJoinedFilesAreAssets: the files can be downloaded, and a secret beside
// the folder cannot be joined in.
func TestJoinedFilesAreAssets(t *testing.T) {
	w := newJoinedWorld(t)
	if got := w.get("/asset/bytes/stack?id=2", ""); got.Code != http.StatusOK || !strings.HasPrefix(got.Body.String(), "\x93NUMPY") {
		t.Errorf("the second file: %d", got.Code)
	}
	secret := filepath.Join(t.TempDir(), "secret.npy")
	numbered(t, secret, 3, 0, 2)
	if err := os.Symlink(secret, filepath.Join(w.dir, "scan_99.npy")); err != nil {
		t.Fatal(err)
	}
	if got := w.get("/array/full/stack?slice=12", ""); got.Code != http.StatusForbidden || !strings.Contains(got.Body.String(), "scan_99.npy") {
		t.Errorf("a link out of the folder: %d %s", got.Code, got.Body)
	}
}
