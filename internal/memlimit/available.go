package memlimit

import (
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// Available returns the bytes that could still be taken without pushing anybody
// out: what the machine says, or what the control groups of this process leave,
// whichever is less. Pages that only hold files count as available.
func Available() int64 { return available(os.DirFS("/")) }

func available(root fs.FS) int64 {
	least := meminfo(root, "MemAvailable:")
	for _, g := range groups(root) {
		least = min(least, g.left(root))
	}
	return max(0, least)
}

// left is what a group leaves: its limit less what is used, without pages that
// only hold files. A group without a limit leaves everything.
func (g group) left(root fs.FS) int64 {
	limit, ok := number(root, path.Join(g.dir, g.limit))
	if !ok || limit <= 0 {
		return math.MaxInt64
	}
	used, ok := number(root, path.Join(g.dir, g.used))
	if !ok {
		return math.MaxInt64
	}
	text, err := fs.ReadFile(root, path.Join(g.dir, "memory.stat"))
	if err != nil {
		return limit - used
	}
	for line := range bytes.Lines(text) {
		if fields := strings.Fields(string(line)); len(fields) == 2 && fields[0] == g.files {
			if files, err := strconv.ParseInt(fields[1], 10, 64); err == nil && files > 0 && files <= used {
				used -= files
			}
		}
	}
	return limit - used
}
