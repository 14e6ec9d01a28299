package host

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// attributes of a host: a group of its own, so that all of it can be ended,
// and death when the thread that started it ends.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// tick is the unit of times in /proc, which is the same on all Linux systems
// that Go runs on.
const tick = 10 * time.Millisecond

// condition is what the system says of a process: its state's letter, and the
// processor time it has used.
func condition(pid int) (state byte, cpu time.Duration) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, 0
	}
	// The name, in brackets, may hold anything.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 13 {
		return 0, 0
	}
	user, _ := strconv.ParseInt(string(fields[11]), 10, 64)
	system, _ := strconv.ParseInt(string(fields[12]), 10, 64)
	return fields[0][0], time.Duration(user+system) * tick
}

// running says whether a thread of a process computes, or would if it had a
// processor, and none waits for the disk.
func running(pid int) bool {
	lists, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/stat")
	if err != nil {
		return false
	}
	computes := false
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue
		}
		switch after := text[bytes.LastIndexByte(text, ')')+1:]; {
		case bytes.HasPrefix(after, []byte(" D")):
			return false
		case bytes.HasPrefix(after, []byte(" R")):
			computes = true
		}
	}
	return computes
}

// resident is the memory that a process holds, in bytes.
func resident(pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}
