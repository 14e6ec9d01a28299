//go:build linux

package httpcache_test

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/terrazzo-data/terrazzo/httpcache"
)

// diskBytes is the size of the small disk.
const diskBytes = 2 << 20

// TestDisks: on a disk that is full, and on one that is read-only, every body is
// right and every process ends.
func TestDisks(t *testing.T) {
	t.Parallel()
	origin := numbered(t)
	for _, kind := range []string{"full", "read-only"} {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "TEST_CACHE_URL="+origin.URL, "TEST_CACHE_DIR="+t.TempDir(), "TEST_CACHE_OPERATIONS=200", "TEST_CACHE_DISK="+kind)
		// In name spaces of its own the process may mount a disk that nobody else sees.
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
		out, err := cmd.CombinedOutput()
		if err != nil && cmd.ProcessState == nil { // no name spaces here
			cmd = exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), "TEST_CACHE_URL="+origin.URL, "TEST_CACHE_DIR="+t.TempDir(), "TEST_CACHE_OPERATIONS=200", "TEST_CACHE_DISK="+kind)
			out, err = cmd.CombinedOutput()
		}
		t.Logf("%s: %s", kind, strings.TrimSpace(string(out)))
		if err != nil {
			t.Errorf("%s: %v (status 3 is a wrong body)", kind, err)
		}
	}
}

// small makes dir a disk of diskBytes. Where that is not allowed files may not grow
// beyond a few blocks instead, from now on.
func small(dir string) (mounted bool) {
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", diskBytes))
	if err == nil {
		return true
	}
	fmt.Println("no disk of its own, so files are bounded:", err)
	return false
}

func bounded() int {
	signal.Ignore(unix.SIGXFSZ)
	if unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 16 << 10, Max: 16 << 10}) != nil {
		return 2
	}
	return 0
}

// workers runs processes over the folder and returns the worst of their states.
func workers(dir string, n int) int {
	all := make([]*exec.Cmd, n)
	for i := range all {
		all[i] = exec.Command(os.Args[0])
		all[i].Env = append(os.Environ(), "TEST_CACHE_DISK=", "TEST_CACHE_DIR="+dir)
		all[i].Stderr = os.Stderr
		if all[i].Start() != nil {
			return 2
		}
	}
	worst := 0
	for _, cmd := range all {
		_ = cmd.Wait() // its status says it
		worst = max(worst, cmd.ProcessState.ExitCode())
	}
	return worst
}

// onFullDisk runs in a process of its own: the disk has less room than the cache's bound
// says; then more, as when somebody tidies up.
func onFullDisk(_, dir string) int {
	filler := filepath.Join(dir, "filler")
	if small(dir) {
		if os.WriteFile(filler, make([]byte, diskBytes*7/8), 0o600) != nil {
			return 2
		}
	} else if status := bounded(); status != 0 {
		return status
	}
	if status := workers(filepath.Join(dir, "cache"), 4); status != 0 {
		return status
	}
	_ = os.Remove(filler) // where there is one
	return workers(filepath.Join(dir, "cache"), 4)
}

// onReadOnlyDisk runs in a process of its own: a disk that has a cache on it can be
// written no more.
func onReadOnlyDisk(url, dir string) int {
	mounted := small(dir)
	cache := filepath.Join(dir, "cache")
	t, err := httpcache.Open(httpcache.Place{Memory: 1 << 16, Dir: cache, Capacity: 1 << 20}, httpcache.Options{})
	if err != nil {
		return 2
	}
	if status := read(t, url, 200); status != 0 || t.Close() != nil {
		return max(2, status)
	}
	if !mounted {
		if status := bounded(); status != 0 {
			return status
		}
	} else if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		fmt.Println("remount:", err)
		return 2
	}
	return workers(cache, 4)
}
