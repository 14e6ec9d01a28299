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
	least := meminfo(root, "MemTotal:")
	for _, g := range groups(root) {
		if limit, ok := number(root, path.Join(g.dir, g.limit)); ok && limit > 0 {
			least = min(least, limit)
		}
	}
	return least
}

// meminfo reads a line of /proc/meminfo, which is in KiB (proc(5)).
func meminfo(root fs.FS, name string) int64 {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return fallback
	}
	for line := range bytes.Lines(text) {
		fields := strings.Fields(string(line))
		if len(fields) >= 2 && fields[0] == name {
			if kib, err := strconv.ParseInt(fields[1], 10, 64); err == nil && kib > 0 && kib < math.MaxInt64>>10 {
				return kib << 10
			}
		}
	}
	return fallback
}

// group is where the files of one control group are, and what they are called.
type group struct {
	dir, limit, used string
	files            string // the line of memory.stat that counts pages of files
}

// groups finds the groups named in /proc/self/cgroup (cgroups(7)), each with
// all above it: "0::/path" for version 2, "n:memory:/path" for version 1.
func groups(root fs.FS) []group {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	var all []group
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		var kind group
		switch {
		case parts[1] == "":
			kind = group{"sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"}
		case strings.Contains(","+parts[1]+",", ",memory,"):
			kind = group{"sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"}
		default:
			continue
		}
		all = append(all, kind.upwards(strings.Trim(parts[2], "/"))...)
	}
	return all
}

// upwards is a group and all above it. Inside a container the path can be one
// of the host; then only the mount itself is there.
func (g group) upwards(name string) (all []group) {
	name = path.Clean(name)
	if strings.HasPrefix(name, "..") {
		name = "."
	}
	mount := g.dir
	for at := name; ; at = path.Dir(at) {
		g.dir = path.Join(mount, at)
		all = append(all, g)
		if at == "." || at == "/" {
			return all
		}
	}
}

func number(root fs.FS, name string) (int64, bool) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}
