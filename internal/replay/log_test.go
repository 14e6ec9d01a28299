package replay

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// replayed lists the targets of a log in its order.
func replayed(l *Log) []string {
	out := make([]string, len(l.requests))
	for i := range l.requests {
		out[i] = l.target(i)
	}
	return out
}

func TestFormats(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file    string
		targets []string
		broken  map[string][]int
		skipped map[string]int
		timed   bool
	}{
		{
			"uvicorn.log",
			[]string{"/api/v1/", "/api/v1/metadata/a"},
			map[string][]int{"no request in it": {1}},
			map[string]int{"POST": 1, "failed when it was logged": 1},
			false,
		},
		{
			"tiled.log",
			[]string{"/api/v1/search/?filter%5Beq%5D%5Bcondition%5D%5Bvalue%5D=%22re%20d%22"},
			map[string][]int{"no request in it": {2}},
			map[string]int{},
			false,
		},
		{
			"nginx.log",
			[]string{"/api/v1/array/block/a?block=0,1&expected_shape=3,4", "/api/v1/metadata/a", "/api/v1/table/partition/t?partition=0&column=a%20b"},
			map[string][]int{"no request in it": {3, 4}},
			map[string]int{"signing in and out": 1},
			true,
		},
		{
			"apache.log",
			[]string{"/api/v1/metadata/b?fields=count", "/api/v1/metadata/b"},
			map[string][]int{},
			map[string]int{"HEAD": 1},
			true,
		},
		{
			"json.log",
			[]string{"/api/v1/metadata/c", "/api/v1/metadata/c?fields=", "/api/v1/array/full/d%20e?slice=0%3A1"},
			map[string][]int{"no request in it": {3}, "begins like JSON and is none": {4}},
			map[string]int{},
			true,
		},
		{
			"terrazzo.log",
			[]string{"/api/v1/array/full/d%20e?slice=0%3A1", "/api/v1/metadata/d"},
			map[string][]int{"no request in it": {1}, string(errNoQuery): {2}},
			map[string]int{},
			true,
		},
	} {
		text, err := os.ReadFile(filepath.Join("testdata", c.file))
		if err != nil {
			t.Fatal(err)
		}
		l, err := ReadLog(bytes.NewReader(text), "/data", 0)
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		if got := replayed(l); !slices.Equal(got, c.targets) {
			t.Errorf("%s: targets %q, want %q", c.file, got, c.targets)
		}
		broken := map[string][]int{}
		for why, b := range l.Broken {
			broken[why] = b.First
		}
		if !maps.EqualFunc(broken, c.broken, slices.Equal) || !maps.Equal(l.Skipped, c.skipped) {
			t.Errorf("%s: broken %v, skipped %v; want %v, %v", c.file, broken, l.Skipped, c.broken, c.skipped)
		}
		if l.timed != c.timed {
			t.Errorf("%s: timed %v, want %v", c.file, l.timed, c.timed)
		}
	}
}

func TestTimesAndBrowsers(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("testdata", "nginx.log"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := ReadLog(bytes.NewReader(text), "", 2)
	if err != nil {
		t.Fatal(err)
	}
	if l.requests[1].after.Seconds() != 2 || l.requests[0].browser || !l.requests[1].browser || l.Left != 1 {
		t.Errorf("requests %+v, left %d", l.requests, l.Left)
	}
}

// TestLongLines: a line of any length costs no more memory than the longest that is read.
func TestLongLines(t *testing.T) {
	t.Parallel()
	good := `x - "GET /a HTTP/1.1" 200` + "\n"
	l, err := ReadLog(strings.NewReader(strings.Repeat("x", 1<<20)+"\n"+good+strings.Repeat("y", 70_000)), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if b := l.Broken[string(errLong)]; b.Count != 2 || !slices.Equal(b.First, []int{1, 3}) || len(l.requests) != 1 {
		t.Errorf("broken %+v, %d requests", l.Broken, len(l.requests))
	}
}

func TestNothingToReplay(t *testing.T) {
	t.Parallel()
	_, err := ReadLog(strings.NewReader("x\n"+`y - "POST /a HTTP/1.1" 200`+"\n"), "", 0)
	if err == nil || !strings.Contains(err.Error(), "1: no request in it; 1: POST") {
		t.Errorf("error %v", err)
	}
}

// FuzzReadLog: whatever a log has in it, what is sent is a path without credentials.
func FuzzReadLog(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.log"))
	if err != nil || len(files) < 6 {
		f.Fatalf("seeds: %d, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := ReadLog(bytes.NewReader(text), "/data", 100)
		if err != nil {
			return
		}
		for _, target := range replayed(l) {
			if !strings.HasPrefix(target, "/") || strings.ContainsAny(target, " \"\x00\r\n#") {
				t.Errorf("target %q", target)
			}
			_, query, _ := strings.Cut(target, "?")
			for part := range strings.SplitSeq(query, "&") {
				if name, _, _ := strings.Cut(part, "="); secret(name) {
					t.Errorf("target %q has a credential", target)
				}
			}
		}
	})
}
