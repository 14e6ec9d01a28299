package disk_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/internal/stores/disk"
	"github.com/terrazzo-data/terrazzo/store"
	"github.com/terrazzo-data/terrazzo/store/storetest"
)

const (
	victimDir    = "TERRAZZO_DISK_VICTIM"
	killCapacity = 1 << 20
	killKeys     = 200
)

// body is a body that tells by itself if it is whole and whose it is.
func body(key, serial, size int) []byte {
	b := make([]byte, 12+size)
	binary.LittleEndian.PutUint32(b[4:], uint32(key))
	binary.LittleEndian.PutUint32(b[8:], uint32(serial))
	random := rand.New(rand.NewPCG(uint64(key), uint64(serial)))
	for i := 12; i < len(b); i++ {
		b[i] = byte(random.Uint32())
	}
	binary.LittleEndian.PutUint32(b, crc32.ChecksumIEEE(b[4:]))
	return b
}

func intact(b []byte, key int) bool {
	return len(b) >= 12 && binary.LittleEndian.Uint32(b) == crc32.ChecksumIEEE(b[4:]) && binary.LittleEndian.Uint32(b[4:]) == uint32(key)
}

// TestVictim is the process that TestKill kills; by itself it does nothing.
func TestVictim(t *testing.T) {
	dir := os.Getenv(victimDir)
	if dir == "" {
		return
	}
	s, err := disk.Open(disk.Options{Dir: dir, Capacity: killCapacity})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("ready")
	for serial := 0; ; serial++ {
		key := rand.IntN(killKeys)
		switch rand.IntN(10) {
		case 0:
			_ = s.Delete(t.Context(), store.Key(strconv.Itoa(key)))
		case 1:
			_ = s.DeleteGroup(t.Context(), strconv.Itoa(key%7))
		default:
			b := body(key, serial, rand.IntN(40_000))
			storetest.Put(t, s, store.Key(strconv.Itoa(key)), store.Meta{Size: int64(len(b)), Groups: []string{strconv.Itoa(key % 7)}}, b)
		}
	}
}

// used is what the files of the store take.
func used(t *testing.T, dir string) (total int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Base(path) == "state" {
			return err
		}
		about, err := e.Info()
		if err == nil {
			total += (about.Size() + 4095) / 4096 * 4096
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

// TestKill kills a process that writes, at random moments, again and again: the store
// always opens, nothing but whole values is served, and the bound is kept.
func TestKill(t *testing.T) {
	times := 15
	if os.Getenv("TERRAZZO_TEST_LONG") != "" {
		times = 200
	}
	dir := t.TempDir()
	for round := range times {
		kill(t, dir)
		if total := used(t, dir); total > killCapacity {
			t.Errorf("round %d: %d bytes on disk, bound %d", round, total, killCapacity)
		}
		s, err := disk.Open(disk.Options{Dir: dir, Capacity: killCapacity})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		held := 0
		for key := range killKeys {
			if _, b := storetest.Get(t, s, store.Key(strconv.Itoa(key))); b != nil {
				held++
				if !intact(b, key) {
					t.Errorf("round %d: key %d holds what was not written to it", round, key)
				}
			}
		}
		if held == 0 {
			t.Errorf("round %d: nothing survived", round)
		}
		if st := s.Stats(); st.Bytes < used(t, dir)-4096 || st.Errors != 0 {
			t.Errorf("round %d: %+v, but %d bytes on disk", round, st, used(t, dir))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func kill(t *testing.T, dir string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestVictim$")
	cmd.Env = append(os.Environ(), victimDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make([]byte, 5)
	if _, err := out.Read(ready); err != nil || !bytes.Equal(ready, []byte("ready")) {
		t.Fatalf("victim said %q: %v", ready, err)
	}
	// A random moment is what is tested; nothing waits for this.
	time.Sleep(time.Duration(20+rand.IntN(60)) * time.Millisecond)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
}

// FuzzFile feeds the parser of files.
func FuzzFile(f *testing.F) {
	dir := f.TempDir()
	s := open(f, dir, 1<<20)
	storetest.Put(f, s, "key", store.Meta{Header: []byte("header"), Size: 4, Groups: []string{"g", "h"}}, []byte("body"))
	found, err := filepath.Glob(filepath.Join(dir, "??", "*"))
	if err != nil || len(found) != 1 {
		f.Fatalf("%v %v", found, err)
	}
	whole, err := os.ReadFile(found[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:50])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(found[0], b, 0o600); err != nil {
			t.Fatal(err)
		}
		header, got := storetest.Get(t, s, "key")
		if got != nil && !bytes.Equal(b, whole) && (string(header) != "header" || string(got) != "body") {
			t.Errorf("served %q %q", header, got)
		}
	})
}
