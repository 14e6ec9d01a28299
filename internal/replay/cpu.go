package replay

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTicks is USER_HZ, in which Linux counts CPU time for everybody.
const clockTicks = 100

// maxProcesses bounds the walk over the children of a process.
const maxProcesses = 4096

// ProcessCPU is the CPU time that processes and all that they started have used so far.
// It is false where that cannot be known: another system than Linux, a process that is
// gone or another user's.
func ProcessCPU(pids []int) (time.Duration, bool) {
	var ticks int64
	found := 0
	for left := append([]int{}, pids...); len(left) > 0 && found < maxProcesses; found++ {
		proc := filepath.Join("/proc", strconv.Itoa(left[0]))
		stat, err := os.ReadFile(filepath.Join(proc, "stat"))
		left = left[1:]
		if err != nil {
			if found < len(pids) {
				return 0, false
			}
			continue // a child that has just ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); len(fields) > 12 {
			for _, f := range fields[11:13] { // utime, stime
				n, _ := strconv.ParseInt(f, 10, 64) // the kernel writes numbers
				ticks += n
			}
		}
		lists, _ := filepath.Glob(filepath.Join(proc, "task", "*", "children"))
		for _, list := range lists {
			text, _ := os.ReadFile(list) // a thread that has just ended
			for _, child := range strings.Fields(string(text)) {
				if pid, err := strconv.Atoi(child); err == nil {
					left = append(left, pid)
				}
			}
		}
	}
	return time.Duration(ticks) * time.Second / clockTicks, found > 0
}
