// Package trace writes down what a cache was asked for, and reads it back, so
// that a site can replay its own traffic against eviction policies.
//
// A trace is lines of text after a first one that says what it is:
//
//	terrazzo cache trace 1
//	1764079200123456 9f3c0b7a11d2e4f5 2097152 14200 1 load
//
// with the time in µs since 1970, the key's hash, the size in bytes, the cost
// in µs, how many waited for the load, and what became of the request. Keys are
// hashes, so that a trace holds no names.
package trace

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// Outcome says what became of a request.
type Outcome string

// The outcomes: found, loaded, or joined to somebody else's load.
const (
	Hit  Outcome = "hit"
	Load Outcome = "load"
	Join Outcome = "join"
)

// Record is one request.
type Record struct {
	Time    time.Time
	Key     uint64
	Size    int64         // in bytes
	Cost    time.Duration // of loading it, now or when it was loaded
	Waiters int           // who waited for the load, the first included
	Outcome Outcome
}

const (
	header  = "terrazzo cache trace 1"
	maxLine = 256

	// What was written reaches the file when there are flushBytes of it, and
	// flushTime after it was written at the latest: a program that is killed
	// loses no more.
	flushBytes = 32 << 10
	flushTime  = time.Second
	// MaxBytes is the most that a [Writer] writes, some hundred million
	// requests; the rest is left out.
	MaxBytes = 8 << 30
)

// Writer appends records to a trace, whole lines at a time and at most a second
// after they were written. It is safe for concurrent use. An error is kept and
// given by Flush: a trace must not disturb what it watches.
type Writer struct {
	mu      sync.Mutex
	to      io.Writer
	buf     []byte
	left    int64       // of MaxBytes
	pending *time.Timer // flushes; nil while there is nothing to flush
	err     error
}

// NewWriter writes the first line and returns a Writer. The caller closes w
// after the last Flush.
func NewWriter(w io.Writer) *Writer {
	t := &Writer{to: w, left: MaxBytes, buf: append(make([]byte, 0, flushBytes+maxLine), header+"\n"...)}
	t.flush()
	return t
}

// Write appends r.
func (t *Writer) Write(r Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil || t.left < maxLine {
		return
	}
	before := len(t.buf)
	t.buf = r.append(t.buf)
	t.left -= int64(len(t.buf) - before)
	switch {
	case len(t.buf) >= flushBytes:
		t.flush()
	case t.pending == nil:
		t.pending = time.AfterFunc(flushTime, func() { _ = t.Flush() }) // the last Flush says it again
	}
}

func (r *Record) append(line []byte) []byte {
	line = strconv.AppendInt(line, r.Time.UnixMicro(), 10)
	line = append(line, ' ')
	line = strconv.AppendUint(line, r.Key, 16)
	line = append(line, ' ')
	line = strconv.AppendInt(line, r.Size, 10)
	line = append(line, ' ')
	line = strconv.AppendInt(line, r.Cost.Microseconds(), 10)
	line = append(line, ' ')
	line = strconv.AppendInt(line, int64(r.Waiters), 10)
	line = append(line, ' ')
	line = append(line, r.Outcome...)
	return append(line, '\n')
}

// Flush writes out what is buffered and returns the first error there was.
// After the last one nothing is left running.
func (t *Writer) Flush() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flush()
	return t.err
}

// flush is Flush for who holds mu.
func (t *Writer) flush() {
	if t.pending != nil {
		t.pending.Stop()
		t.pending = nil
	}
	if t.err == nil && len(t.buf) > 0 {
		_, t.err = t.to.Write(t.buf)
	}
	t.buf = t.buf[:0]
}

// Read yields the records of a trace in order. The error of a damaged line is
// errdef.ErrUnprocessable, names the line and ends the trace. A last line that
// was cut off, by a full disk or a kill, just ends it.
func Read(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(make([]byte, maxLine), maxLine)
		lines.Split(wholeLines)
		n := 0
		for lines.Scan() {
			n++
			if n == 1 {
				if lines.Text() != header {
					yield(Record{}, fmt.Errorf("trace: line 1: not %q: %w", header, errdef.ErrUnprocessable))
					return
				}
				continue
			}
			rec, err := parse(lines.Text())
			if err != nil {
				yield(Record{}, fmt.Errorf("trace: line %d: %w", n, err))
				return
			}
			if !yield(rec, nil) {
				return
			}
		}
		switch err := lines.Err(); {
		case errors.Is(err, bufio.ErrTooLong):
			yield(Record{}, fmt.Errorf("trace: line %d: longer than %d bytes: %w", n+1, maxLine, errdef.ErrUnprocessable))
		case err != nil:
			yield(Record{}, fmt.Errorf("trace: line %d: %w", n+1, err))
		case n == 0:
			yield(Record{}, fmt.Errorf("trace: empty: %w", errdef.ErrUnprocessable))
		}
	}
}

// wholeLines is bufio.ScanLines without a last line that does not end.
func wholeLines(data []byte, atEOF bool) (int, []byte, error) {
	n, line, err := bufio.ScanLines(data, atEOF)
	if atEOF && n > 0 && data[n-1] != '\n' {
		return n, nil, err
	}
	return n, line, err
}

const fields = 6

// maxMicros is the longest cost that a time.Duration holds.
const maxMicros = int64(1<<63-1) / int64(time.Microsecond)

func parse(line string) (Record, error) {
	f := strings.Split(line, " ")
	if len(f) != fields {
		return Record{}, fmt.Errorf("%d fields, want %d: %w", len(f), fields, errdef.ErrUnprocessable)
	}
	var numbers [fields]int64
	for _, i := range []int{0, 2, 3, 4} {
		v, err := strconv.ParseInt(f[i], 10, 64)
		if err != nil || (v < 0 && i > 0) {
			return Record{}, fmt.Errorf("field %d: %q is no number: %w", i+1, f[i], errdef.ErrUnprocessable)
		}
		numbers[i] = v
	}
	key, err := strconv.ParseUint(f[1], 16, 64)
	if err != nil {
		return Record{}, fmt.Errorf("field 2: %q is no key: %w", f[1], errdef.ErrUnprocessable)
	}
	r := Record{
		Time: time.UnixMicro(numbers[0]), Key: key, Size: numbers[2],
		Cost: time.Duration(min(numbers[3], maxMicros)) * time.Microsecond, Waiters: int(numbers[4]), Outcome: Outcome(f[5]),
	}
	if r.Size == 0 || (r.Outcome != Hit && r.Outcome != Load && r.Outcome != Join) {
		return Record{}, fmt.Errorf("no size, or outcome %q unknown: %w", f[5], errdef.ErrUnprocessable)
	}
	return r, nil
}
