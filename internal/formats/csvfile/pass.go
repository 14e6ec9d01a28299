package csvfile

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"runtime"
	"sync"
	"unicode/utf8"

	"github.com/terrazzo-data/terrazzo/errdef"
)

const (
	// cellSize is the distance of the borders that cut a file into
	// partitions: one has the records that begin between two borders.
	cellSize = 8 << 20
	// maxCells bounds the values of a partition, missing ones included: lines
	// may be far shorter than the table is wide.
	maxCells = 1 << 26
	// maxWorkers bounds the cells that one pass has in memory.
	maxWorkers = 4
	// sampleSize is how much of each partition is recognised when a file grew.
	sampleSize = 4 << 10
)

// pass reads a file once, to find the types of its columns and places where it
// can be cut.
//
// Its cells are read at once, although only the quotes before a border tell
// whether a line end behind it ends a record. Each reader guesses that the
// first one does. What it found counts only if the reader of the cell before
// ended exactly where it began; otherwise the cell is read again from there. So
// the result is that of reading in order, and the guess only costs time where
// quoted line ends meet a border.
type pass struct {
	doc   *document
	comma byte
	head  *head
	cell  int64
}

// part is what was found in a cell.
type part struct {
	// start and end are the places of its first record and of the one behind
	// its last.
	start, end int64
	rows       int64
	tallies    []tally // of each field
	bytes      []int64 // of the text of each field
	sample     uint64
	valid      bool // UTF-8
}

// faultError is something wrong with one record.
type faultError struct {
	at  int64
	why string
}

func (f *faultError) Error() string { return f.why }

const unendedText = "a quote is opened and never closed"

// fault says in which line a fault is.
func (d *document) fault(ctx context.Context, err error) error {
	var f *faultError
	if !errors.As(err, &f) {
		return err
	}
	line, err := d.line(ctx, f.at)
	if err != nil {
		return err
	}
	return fmt.Errorf("csv %s: line %d: %s: %w", d.name, line, f.why, errdef.ErrUnprocessable)
}

// guess is a cell that is being read.
type guess struct {
	to     int64
	result chan outcomeOf
}

type outcomeOf struct {
	part part
	err  error
}

// run gives each part that has records to found, in order, beginning with the
// record at from.
func (p *pass) run(ctx context.Context, from int64, found func(part)) error {
	ctx, cancel := context.WithCancel(ctx)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer cancel()
	begin := func(at int64, exact bool) guess {
		g := guess{to: min((at/p.cell+1)*p.cell, p.doc.size), result: make(chan outcomeOf, 1)}
		readers.Go(func() {
			found, err := p.read(ctx, at, g.to, exact)
			g.result <- outcomeOf{found, err}
		})
		return g
	}
	var ahead []guess
	limit := min(runtime.GOMAXPROCS(0), maxWorkers) + 1
	for at, border := from, from; ; {
		for len(ahead) < limit && border < p.doc.size {
			ahead = append(ahead, begin(border, border == from))
			border = ahead[len(ahead)-1].to
		}
		if len(ahead) == 0 {
			return nil
		}
		end, err := p.settle(ctx, at, ahead[0], found)
		if err != nil {
			return err
		}
		at, ahead = end, ahead[1:]
	}
}

// settle takes the next cell, if the guess was right, or reads it again; at is
// where the records before it end.
func (p *pass) settle(ctx context.Context, at int64, g guess, found func(part)) (end int64, err error) {
	got := <-g.result
	if at >= g.to {
		return at, nil // a record reaches over all of it
	}
	if got.err != nil || got.part.start != at {
		if got.part, err = p.read(ctx, at, g.to, true); err != nil {
			return 0, p.doc.fault(ctx, err)
		}
	}
	if got.part.rows > 0 {
		found(got.part)
	}
	return got.part.end, nil
}

// read reads the records that begin in [from, to). exact says that one begins
// at from; otherwise the first that is guessed to begin there is sought.
func (p *pass) read(ctx context.Context, from, to int64, exact bool) (part, error) {
	lo, hi := from, to+peek
	if !exact {
		lo -= p.unit()
	}
	s := scanner{comma: p.comma, keep: p.head.width}
	if err := p.fill(ctx, &s, lo, hi); err != nil {
		return part{}, err
	}
	found := part{start: from}
	if !exact {
		if s.at = lineEnd(s.text, 0); s.at < 0 || !s.skipBlank() {
			return part{start: -1}, nil
		}
		found.start = lo + p.doc.span(s.text[:s.at])
	}
	w := window{pass: p, scanner: &s, lo: lo, hi: hi, limit: to + maxRecord, first: s.at}
	return found, w.records(ctx, to, &found)
}

// unit is the length of a line end in the file.
func (p *pass) unit() int64 {
	if p.doc.enc.wide() {
		return 2
	}
	return 1
}

func (p *pass) fill(ctx context.Context, s *scanner, lo, hi int64) (err error) {
	s.text, err = p.doc.load(ctx, lo, hi)
	s.last = hi >= p.doc.size
	return err
}

// window is the part of a file that is in memory.
type window struct {
	*pass
	scanner       *scanner
	lo, hi, limit int64
	// first is where the first record begins in the text.
	first int
}

// records reads on to the first record that begins at to or behind it.
func (w *window) records(ctx context.Context, to int64, found *part) error {
	s := w.scanner
	found.tallies = make([]tally, w.head.width)
	found.bytes = make([]int64, w.head.width)
	stop := w.doc.index(s.text, to-w.lo)
	for {
		switch s.next(stop) {
		case done:
			text := s.text[w.first:s.at]
			found.end = w.lo + w.doc.span(s.text[:s.at])
			found.valid = w.doc.enc != encUTF8 || utf8.ValidString(text)
			found.sample = sampleOf(text[:w.doc.index(text, sampleSize)])
			return nil
		case short:
			if err := w.more(ctx); err != nil {
				return err
			}
		case unended:
			return w.faulty(unendedText)
		default:
			if err := w.count(ctx, found); err != nil {
				return err
			}
		}
	}
}

// more reads on behind the window.
func (w *window) more(ctx context.Context) error {
	if w.hi >= w.limit {
		return w.faulty(fmt.Sprintf("no end within %d bytes", maxRecord))
	}
	w.hi = min(w.hi+8*max(w.hi-w.limit+maxRecord, peek), w.limit)
	return w.fill(ctx, w.scanner, w.lo, w.hi)
}

// count adds one record.
func (w *window) count(ctx context.Context, found *part) error {
	s := w.scanner
	if s.count > w.head.width {
		return w.faulty(fmt.Sprintf("expected %d fields, saw %d", w.head.width, s.count))
	}
	if s.at-s.from > maxRecord {
		return w.faulty(fmt.Sprintf("no end within %d bytes", maxRecord))
	}
	for i, value := range s.fields {
		found.tallies[i].add(value)
		found.bytes[i] += int64(len(value))
	}
	for i := s.count; i < w.head.width; i++ {
		found.tallies[i].null = true
	}
	found.rows++
	if found.rows > maxCells/int64(w.head.width) {
		return w.faulty(fmt.Sprintf("the lines before it leave out nearly all of their %d values", w.head.width))
	}
	if found.rows%4096 == 0 {
		return ctx.Err()
	}
	return nil
}

func (w *window) faulty(why string) error {
	return &faultError{at: w.lo + w.doc.span(w.scanner.text[:w.scanner.from]), why: why}
}

// sampleOf names a piece of text.
func sampleOf(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text)) // a hash does not fail
	return h.Sum64()
}
