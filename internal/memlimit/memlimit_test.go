package memlimit

import (
	"testing"
	"testing/fstest"
)

func TestTotal(t *testing.T) {
	const gib = 1 << 30
	info := "MemTotal:       16777216 kB\nMemFree: 1 kB\n"
	for name, test := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing":           {nil, fallback},
		"machine":           {map[string]string{"proc/meminfo": info}, 16 * gib},
		"unlimited":         {map[string]string{"proc/meminfo": info, "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, 16 * gib},
		"v2":                {map[string]string{"proc/meminfo": info, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "2147483648\n"}, 2 * gib},
		"v2 parent":         {map[string]string{"proc/meminfo": info, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "1073741824\n"}, gib},
		"v2 in a container": {map[string]string{"proc/meminfo": info, "proc/self/cgroup": "0::/../../host\n", "sys/fs/cgroup/memory.max": "1073741824\n"}, gib},
		"v1":                {map[string]string{"proc/meminfo": info, "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/docker/y\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "3221225472\n"}, 3 * gib},
		"v1 unlimited":      {map[string]string{"proc/meminfo": info, "proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 16 * gib},
		"nonsense":          {map[string]string{"proc/meminfo": "MemTotal: -5 kB\n", "proc/self/cgroup": "x\n0::/\n", "sys/fs/cgroup/memory.max": "-1"}, fallback},
	} {
		files := fstest.MapFS{}
		for name, text := range test.files {
			files[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := total(files); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

func TestHere(t *testing.T) {
	if n := Total(); n < 64<<20 {
		t.Errorf("this machine has %d bytes", n)
	}
}
