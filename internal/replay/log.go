package replay

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// Log is what can be replayed of an access log: its GET requests, in their order,
// without credentials. It does not change.
type Log struct {
	// Lines were read, Left of the requests beyond the limit left out.
	Lines, Left int
	// Skipped counts requests that are not replayed, by why.
	Skipped map[string]int
	// Broken are lines without a request, by why: how many, and the numbers of the first.
	Broken map[string]Lines

	targets  []string
	requests []request
	timed    bool
}

// Lines are lines of a log.
type Lines struct {
	Count int
	First []int // numbers, from 1
}

// request is one request of a log.
type request struct {
	target  int           // in targets
	after   time.Duration // since the first
	browser bool
}

// Limits of a log.
const (
	maxLine  = 64 << 10
	maxNamed = 5
	// maxKinds bounds the kinds of skipped requests: methods can be made up.
	maxKinds = 20
)

// entry is what a line says.
type entry struct {
	method, target string
	status         int
	at             time.Time // zero if not said
	agent          string
}

// lineError is why a line has no request.
type lineError string

func (e lineError) Error() string { return string(e) }

const (
	errNoRequest = lineError("no request in it")
	errNotJSON   = lineError("begins like JSON and is none")
	errNoQuery   = lineError("our own log without queries: serve with --log-level debug")
	errLong      = lineError("longer than 64 KiB")
	errTarget    = lineError("a request for no path")
)

// ReadLog reads at most limit requests (0: all). Each line may have another format: the
// access log of uvicorn or of Tiled, Apache's common, combined and virtual host formats,
// nginx' default, JSON with the usual names, and Terrazzo's own text and JSON. Lines that
// have no request are counted in Log.Broken, and are no error; errors are r's. Targets
// below prefix lose it. Memory is taken for each distinct target once.
func ReadLog(r io.Reader, prefix string, limit int) (*Log, error) {
	l := &Log{Skipped: map[string]int{}, Broken: map[string]Lines{}, timed: true}
	known := map[string]int{}
	var first time.Time
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := readLine(lines)
		if errors.Is(err, io.EOF) {
			break
		}
		l.Lines++
		var why lineError
		if err != nil && !errors.As(err, &why) {
			return nil, fmt.Errorf("log, line %d: %w", l.Lines, err)
		}
		if err == nil && line == "" {
			continue
		}
		var e entry
		if err == nil {
			e, err = parseLine(line)
		}
		if errors.As(err, &why) {
			l.broken(string(why))
			continue
		}
		if skip := l.skip(&e, prefix); skip != "" {
			l.count(skip)
			continue
		}
		if limit > 0 && len(l.requests) == limit {
			l.Left++
			continue
		}
		if first.IsZero() {
			first = e.at
		}
		l.add(known, &e, first)
	}
	if l.requests == nil {
		return nil, fmt.Errorf("log: no GET request in %d lines that can be replayed%s: %w", l.Lines, l.why(), errdef.ErrInvalid)
	}
	return l, nil
}

// readLine returns the next line without its end, or errLong when it had to be dropped.
func readLine(r *bufio.Reader) (string, error) {
	b, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = r.ReadSlice('\n')
		}
		if err == nil || errors.Is(err, io.EOF) {
			err = errLong
		}
		return "", err
	}
	if err != nil && (len(b) == 0 || !errors.Is(err, io.EOF)) {
		return "", err
	}
	return strings.TrimSpace(string(b)), nil
}

func (l *Log) add(known map[string]int, e *entry, first time.Time) {
	at, ok := known[e.target]
	if !ok {
		at = len(l.targets)
		known[e.target] = at
		l.targets = append(l.targets, e.target)
	}
	q := request{target: at, browser: strings.HasPrefix(e.agent, "Mozilla/")}
	if e.at.IsZero() {
		l.timed = false
	} else {
		q.after = max(0, e.at.Sub(first))
	}
	l.requests = append(l.requests, q)
}

func (l *Log) target(i int) string { return l.targets[l.requests[i].target] }

func (l *Log) broken(why string) {
	b := l.Broken[why]
	if b.Count++; len(b.First) < maxNamed {
		b.First = append(b.First, l.Lines)
	}
	l.Broken[why] = b
}

func (l *Log) count(why string) {
	if _, ok := l.Skipped[why]; !ok && len(l.Skipped) >= maxKinds {
		why = "other methods"
	}
	l.Skipped[why]++
}

// skip cleans the target, and says why the request is not for replaying.
func (l *Log) skip(e *entry, prefix string) string {
	if e.method != "GET" {
		return e.method
	}
	if e.status >= 500 {
		return "failed when it was logged"
	}
	e.target = clean(e.target, prefix)
	switch {
	case strings.Contains(e.target, "/api/v1/auth/"):
		return "signing in and out"
	case strings.Contains(e.target, "/stream/"), e.status == 101:
		return "web sockets"
	}
	return ""
}

// why says in words what happened to the lines.
func (l *Log) why() string {
	var b strings.Builder
	for _, why := range slices.Sorted(maps.Keys(l.Broken)) {
		fmt.Fprintf(&b, "; %d: %s", l.Broken[why].Count, why)
	}
	for _, why := range slices.Sorted(maps.Keys(l.Skipped)) {
		fmt.Fprintf(&b, "; %d: %s", l.Skipped[why], why)
	}
	return b.String()
}

// Notes are sentences about what of the log is not replayed.
func (l *Log) Notes() []string {
	var notes []string
	for _, why := range slices.Sorted(maps.Keys(l.Broken)) {
		b := l.Broken[why]
		numbers := strings.Trim(strings.ReplaceAll(fmt.Sprint(b.First), " ", ", "), "[]")
		if b.Count > len(b.First) {
			numbers += " …"
		}
		notes = append(notes, fmt.Sprintf("%s: %d lines (%s)", why, b.Count, numbers))
	}
	for _, why := range slices.Sorted(maps.Keys(l.Skipped)) {
		notes = append(notes, fmt.Sprintf("not replayed: %d requests: %s", l.Skipped[why], why))
	}
	if l.Left > 0 {
		notes = append(notes, fmt.Sprintf("not replayed: %d requests beyond --limit", l.Left))
	}
	return notes
}
