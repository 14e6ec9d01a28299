package trace_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/evict/trace"
)

func record(i int) trace.Record {
	return trace.Record{
		Time: time.UnixMicro(1764079200123456 + int64(i)), Key: 0x9f3c0b7a11d2e4f5 * uint64(i+1), Size: int64(i + 1),
		Cost: time.Duration(i) * time.Microsecond, Waiters: i, Outcome: []trace.Outcome{trace.Hit, trace.Load, trace.Join}[i%3],
	}
}

func TestRoundTrip(t *testing.T) {
	var buf bytes.Buffer
	w := trace.NewWriter(&buf)
	for i := range 1000 {
		w.Write(record(i))
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	i := 0
	for got, err := range trace.Read(&buf) {
		if err != nil {
			t.Fatal(err)
		}
		if want := record(i); got != want {
			t.Fatalf("record %d: got %+v, want %+v", i, got, want)
		}
		i++
	}
	if i != 1000 {
		t.Errorf("read %d records, want 1000", i)
	}
}

func TestManyWriters(t *testing.T) {
	var buf bytes.Buffer
	w := trace.NewWriter(&buf)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 100 {
				w.Write(record(i))
			}
		})
	}
	wg.Wait()
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range trace.Read(&buf) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 800 {
		t.Errorf("read %d records, want 800", n)
	}
}

type fullDisk struct{}

var errFull = errors.New("no space left")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestFullDiskIsSaidOnce(t *testing.T) {
	w := trace.NewWriter(fullDisk{})
	for i := range 1000 {
		w.Write(record(i))
	}
	if err := w.Flush(); !errors.Is(err, errFull) {
		t.Errorf("Flush = %v, want %v", err, errFull)
	}
}

func TestDamaged(t *testing.T) {
	const head = "terrazzo cache trace 1\n"
	for name, text := range map[string]string{
		"empty":        "",
		"other header": "x\n",
		"few fields":   head + "1 2 3\n",
		"no number":    head + "1 2 x 4 5 hit\n",
		"negative":     head + "1 2 -3 4 5 hit\n",
		"no key":       head + "1 zz 3 4 5 hit\n",
		"outcome":      head + "1 2 3 4 5 what\n",
		"size 0":       head + "1 2 0 4 5 hit\n",
		"too long":     head + strings.Repeat("1", 1000) + "\n",
		"cut within":   head + "1 2 3 4 5 hit\n1 2 3\n1 2 3 4 5 hit\n",
	} {
		var last error
		for _, err := range trace.Read(strings.NewReader(text)) {
			last = err
		}
		if !errors.Is(last, errdef.ErrUnprocessable) {
			t.Errorf("%s: %v, want ErrUnprocessable", name, last)
		}
	}
}

// Three promises: no panic, nothing beside an error, and what was read is
// written the same.
func FuzzRead(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*.trace")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds in testdata: ", err)
	}
	for _, name := range seeds {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var again bytes.Buffer
		w := trace.NewWriter(&again)
		n := 0
		for r, err := range trace.Read(bytes.NewReader(b)) {
			if err != nil {
				if r != (trace.Record{}) {
					t.Fatalf("a record beside error %v", err)
				}
				return
			}
			w.Write(r)
			n++
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		m := 0
		for _, err := range trace.Read(&again) {
			if err != nil {
				t.Fatal(err)
			}
			m++
		}
		if n != m {
			t.Fatalf("%d records read, %d after writing them", n, m)
		}
	})
}

func ExampleRead() {
	text := "terrazzo cache trace 1\n1764079200123456 2a 2097152 14200 3 load\n"
	for r, err := range trace.Read(strings.NewReader(text)) {
		fmt.Println(r.Key, r.Size, r.Cost, r.Waiters, r.Outcome, err)
	}
	// Output: 42 2097152 14.2ms 3 load <nil>
}

// What was written is in the file soon, without a Flush, in whole lines; and
// nothing is left running for what never comes.
func TestSoonInTheFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var file parts
		w := trace.NewWriter(&file)
		if got := file.records(t); got != 0 || file.writes() != 1 {
			t.Errorf("at the start there are %d records in %d writes, want the first line alone", got, file.writes())
		}
		w.Write(record(0))
		w.Write(record(1))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := file.records(t); got != 2 || file.writes() != 2 {
			t.Errorf("after two seconds: %d records in %d writes, want 2 in 2", got, file.writes())
		}
		for i := range 10_000 {
			w.Write(record(i))
			if i%1000 == 0 {
				file.records(t)
			}
		}
		if got, n := file.records(t), file.writes(); got < 9_000 || n > 30 {
			t.Errorf("%d records in %d writes reached the file", got, n)
		}
		if err := w.Flush(); err != nil || file.records(t) != 10_002 {
			t.Errorf("after Flush: %d records, %v", file.records(t), err)
		}
	})
}

// parts is a file that remembers how it was written.
type parts struct {
	mu   sync.Mutex
	text []byte
	n    int
}

func (p *parts) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	p.text = append(p.text, b...)
	return len(b), nil
}

func (p *parts) writes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

// records counts what is there, which must be whole lines.
func (p *parts) records(t *testing.T) (n int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !bytes.HasSuffix(p.text, []byte("\n")) {
		t.Errorf("the file ends within a line: %q", p.text[max(0, len(p.text)-50):])
	}
	for _, err := range trace.Read(bytes.NewReader(p.text)) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// A disk that was full, or a kill by others, may cut the last line.
func TestCutOff(t *testing.T) {
	n := 0
	for _, err := range trace.Read(strings.NewReader("terrazzo cache trace 1\n1 2 3 4 5 hit\n1 2 3 4 50 lo")) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("read %d records, want 1", n)
	}
}
