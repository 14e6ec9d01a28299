package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/store"
	"github.com/terrazzo-data/terrazzo/store/storetest"
)

// TestRemote: the kinds of file system that are refused, by their numbers in statfs(2).
func TestRemote(t *testing.T) {
	for name, c := range map[string]struct {
		kind uint32
		want bool
	}{
		"nfs": {0x6969, true}, "cifs": {0xFF534D42, true}, "smb2": {0xFE534D42, true}, "fuse": {0x65735546, true}, "lustre": {0x0BD00BD0, true},
		"gpfs": {0x47504653, true}, "ceph": {0x00C36400, true}, "afs": {0x6B414653, true}, "9p": {0x01021997, true},
		"ext4": {0xEF53, false}, "xfs": {0x58465342, false}, "btrfs": {0x9123683E, false}, "zfs": {0x2FC12FC1, false}, "tmpfs": {0x01021994, false}, "overlay": {0x794C7630, false},
	} {
		if remote(c.kind) != c.want {
			t.Errorf("%s: %v", name, !c.want)
		}
	}
}

// TestFullDisk: a write that the disk does not take is an error of that value alone. What
// was begun is gone, counts are what they were, and smaller values go on. A limit on the
// size of files stands for a disk that is full.
func TestFullDisk(t *testing.T) {
	s, err := Open(Options{Dir: t.TempDir(), Capacity: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	storetest.Put(t, s, "kept", store.Meta{Size: 4}, []byte("kept"))
	before := s.Stats()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(unix.SIGXFSZ)
	defer signal.Reset(unix.SIGXFSZ)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 256 << 10, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
			t.Error(err)
		}
	}()
	large := bytes.Repeat([]byte("x"), 1<<20)
	for _, size := range []int64{int64(len(large)), store.UnknownSize} {
		w, err := s.Put(t.Context(), "large", store.Meta{Size: size})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = w.Write(large); !errors.Is(err, errdef.ErrUnavailable) {
			t.Errorf("a write to a full disk: %v", err)
		}
		w.Abort()
	}
	if after := s.Stats(); after.Bytes != before.Bytes || after.Entries != before.Entries {
		t.Errorf("before %+v, after %+v", before, after)
	}
	left, err := filepath.Glob(filepath.Join(s.tmp, "v*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	storetest.Put(t, s, "small", store.Meta{Size: 5}, []byte("small"))
	for _, key := range []store.Key{"kept", "small"} {
		if _, got := storetest.Get(t, s, key); string(got) != string(key) {
			t.Errorf("%s: %q", key, got)
		}
	}
}

// TestUnwritable: a folder that is no folder, or whose places were taken by something else,
// is an error of the start or of one value, and never of others.
func TestUnwritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below"), "/proc/terrazzo", "/sys/terrazzo"} {
		if s, err := Open(Options{Dir: dir, Capacity: 1 << 20}); err == nil {
			t.Errorf("%s was opened", dir)
			_ = s.Close()
		}
	}
	s, err := Open(Options{Dir: t.TempDir(), Capacity: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := s.place("k")
	if err := os.WriteFile(s.shardDir(at.shard), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := s.Put(t.Context(), "k", store.Meta{Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte("x"))
	if err := w.Commit(); !errors.Is(err, errdef.ErrUnavailable) {
		t.Errorf("a file in the place of a folder: %v", err)
	}
	other := store.Key("other")
	for n := 0; s.place(other).shard == at.shard; n++ {
		other = store.Key(fmt.Sprint("other", n))
	}
	storetest.Put(t, s, other, store.Meta{Size: 1}, []byte("x"))
}

// TestClock: files from the future and from long ago are served, and given up like others.
func TestClock(t *testing.T) {
	const capacity = 1 << 20
	s, err := Open(Options{Dir: t.TempDir(), Capacity: capacity})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	body := bytes.Repeat([]byte("x"), 50_000)
	for i := range 200 {
		key := store.Key(fmt.Sprint("k", i))
		storetest.Put(t, s, key, store.Meta{Size: int64(len(body)), Cost: time.Second}, body)
		stamp := time.Now().Add(time.Duration(i%3-1) * 100 * 365 * 24 * time.Hour)
		if err := os.Chtimes(s.place(key).path, stamp, stamp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if _, got := storetest.Get(t, s, key); !bytes.Equal(got, body) {
			t.Errorf("%s: %d bytes", key, len(got))
		}
		if st := s.Stats(); st.Bytes > capacity {
			t.Fatalf("%d bytes of %d", st.Bytes, capacity)
		}
	}
}
