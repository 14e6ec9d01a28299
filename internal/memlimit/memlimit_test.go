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

func TestAvailable(t *testing.T) {
	const gib = 1 << 30
	info := "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n"
	for name, test := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"machine": {map[string]string{"proc/meminfo": info}, 8 * gib},
		"v2": {map[string]string{
			"proc/meminfo": info, "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "4294967296\n",
			"sys/fs/cgroup/a/memory.current": "3221225472\n", "sys/fs/cgroup/a/memory.stat": "anon 5\ninactive_file 1073741824\n",
		}, 2 * gib},
		"v1": {map[string]string{
			"proc/meminfo": info, "proc/self/cgroup": "4:memory:/y\n", "sys/fs/cgroup/memory/y/memory.limit_in_bytes": "4294967296\n",
			"sys/fs/cgroup/memory/y/memory.usage_in_bytes": "3221225472\n", "sys/fs/cgroup/memory/y/memory.stat": "inactive_file 7\ntotal_inactive_file 1073741824\n",
		}, 2 * gib},
		"over the limit": {map[string]string{
			"proc/meminfo": info, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1\n", "sys/fs/cgroup/memory.current": "3\n",
		}, 0},
		"unlimited": {map[string]string{"proc/meminfo": info, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 8 * gib},
	} {
		files := fstest.MapFS{}
		for name, text := range test.files {
			files[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := available(files); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

func TestHere(t *testing.T) {
	if n := Total(); n < 64<<20 {
		t.Errorf("this machine has %d bytes", n)
	}
	if n := Available(); n <= 0 || n > Total() {
		t.Errorf("of %d bytes %d are available", Total(), n)
	}
}
