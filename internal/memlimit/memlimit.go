// Package memlimit says how much memory there is: that of the machine, or that
// of the container where one is set.
package memlimit

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// fallback is what is assumed where the system does not say.
const fallback = 4 << 30

// Total returns the bytes of memory that this process may count on: the least
// of the machine's RAM and the limits of the control groups that it is in
// (cgroup v1 and v2, each with all its parents).
func Total() int64 { return total(os.DirFS("/")) }

func total(root fs.FS) int64 {
	least := ram(root)
	for _, limit := range groupLimits(root) {
		least = min(least, limit)
	}
	return least
}

// ram reads MemTotal of /proc/meminfo, which is in KiB (proc(5)).
func ram(root fs.FS) int64 {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return fallback
	}
	for line := range bytes.Lines(text) {
		fields := strings.Fields(string(line))
		if len(fields) >= 2 && fields[0] == "MemTotal:" {
			if kib, err := strconv.ParseInt(fields[1], 10, 64); err == nil && kib > 0 && kib < math.MaxInt64>>10 {
				return kib << 10
			}
		}
	}
	return fallback
}

// groupLimits reads the limits of the groups named in /proc/self/cgroup
// (cgroups(7)): "0::/path" for version 2, "n:memory:/path" for version 1.
func groupLimits(root fs.FS) []int64 {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	var limits []int64
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		var mount, file string
		switch {
		case parts[1] == "":
			mount, file = "sys/fs/cgroup", "memory.max"
		case strings.Contains(","+parts[1]+",", ",memory,"):
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		limits = append(limits, upwards(root, mount, strings.Trim(parts[2], "/"), file)...)
	}
	return limits
}

// upwards reads the limit of a group and of all above it. Inside a container
// the path can be one of the host; then only the mount itself is there.
func upwards(root fs.FS, mount, group, file string) []int64 {
	var limits []int64
	group = path.Clean(group)
	if strings.HasPrefix(group, "..") {
		group = "."
	}
	for at := group; ; at = path.Dir(at) {
		if text, err := fs.ReadFile(root, path.Join(mount, at, file)); err == nil {
			if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
				limits = append(limits, n)
			}
		}
		if at == "." || at == "/" {
			return limits
		}
	}
}
