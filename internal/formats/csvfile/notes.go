package csvfile

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// maxSums bounds the sizes that are remembered, one for each column of each
// partition; of larger tables only the largest of each column.
const maxSums = 1 << 17

// notes is what reading, and going on with a file that grew, needs of a pass.
type notes struct {
	Encoding encoding `json:"encoding"`
	// Size is that of the text when it was read.
	Size  int64 `json:"size"`
	Width int   `json:"width"`
	Index int   `json:"index,omitempty"`
	// Head is the sample of the file's first bytes, up to Data, where the
	// records begin.
	Head uint64 `json:"head"`
	Data int64  `json:"data"`
	// Starts, Rows and Samples are of each partition.
	Starts  []int64  `json:"starts"`
	Rows    []int64  `json:"rows"`
	Samples []uint64 `json:"samples"`
	// Kinds are those of the fields of a record, Sealed the packed tallies of
	// all partitions but the last, which a file that grew goes on from.
	Kinds  []int `json:"kinds"`
	Sealed []int `json:"sealed"`
	// Sums are the bytes of text of each field of each partition, or, if
	// there is but one row of them, the largest of all partitions.
	Sums [][]int64 `json:"sums"`
	// Valid says that all partitions but the last, and the names, are UTF-8.
	Valid bool `json:"valid"`
}

// learnt is what a pass has found so far.
type learnt struct {
	notes
	sealed []tally
	last   part
	rows   int64
}

// seal counts the last partition among those that will not change.
func (l *learnt) seal() {
	if l.last.rows == 0 {
		return
	}
	if l.sealed == nil {
		l.sealed = make([]tally, l.Width)
	}
	for i := range l.sealed {
		l.sealed[i].join(l.last.tallies[i])
	}
	l.Valid = l.Valid && l.last.valid
	l.last = part{}
}

// add takes the next part.
func (l *learnt) add(p part) {
	l.seal()
	l.Starts = append(l.Starts, p.start)
	l.Rows = append(l.Rows, p.rows)
	l.Samples = append(l.Samples, p.sample)
	l.rows += p.rows
	l.last = p
	l.addSums(p.bytes)
}

func (l *learnt) addSums(sums []int64) {
	if l.Sums = append(l.Sums, sums); len(l.Sums)*l.Width <= maxSums && len(l.Sums) == len(l.Starts) {
		return
	}
	most := slices.Clone(l.Sums[0])
	for _, row := range l.Sums[1:] {
		for i, n := range row {
			most[i] = max(most[i], n)
		}
	}
	l.Sums = [][]int64{most}
}

// finish settles the types, and the encoding of a file without a mark.
func (l *learnt) finish() {
	l.Kinds, l.Sealed = make([]int, l.Width), make([]int, l.Width)
	for i := range l.Kinds {
		var t tally
		if l.sealed != nil {
			t = l.sealed[i]
		}
		l.Sealed[i] = t.pack()
		if l.last.rows > 0 {
			t.join(l.last.tallies[i])
		}
		l.Kinds[i] = int(t.kind(l.rows))
	}
	if l.Encoding == encUTF8 && (!l.Valid || l.last.rows > 0 && !l.last.valid) {
		l.Encoding = encLatin1
	}
}

// resumed is what is known of all partitions but the last. They must be at
// least two: of a file with one there is nothing to save.
func (n *notes) resumed() *learnt {
	kept := len(n.Starts) - 1
	l := &learnt{notes: *n, sealed: make([]tally, n.Width)}
	l.Starts, l.Rows, l.Samples = n.Starts[:kept:kept], n.Rows[:kept:kept], n.Samples[:kept:kept]
	if len(n.Sums) > kept {
		l.Sums = n.Sums[:kept:kept]
	}
	for i := range l.sealed {
		l.sealed[i] = unpack(n.Sealed[i])
	}
	for _, rows := range l.Rows {
		l.rows += rows
	}
	return l
}

func (t tally) pack() int {
	bits := int(t.signed) | int(t.unsigned)<<2
	for i, b := range []bool{t.null, t.any, t.minus, t.big, t.notFloat, t.notBool} {
		if b {
			bits |= 16 << i
		}
	}
	return bits
}

func unpack(bits int) tally {
	is := func(i int) bool { return bits&(16<<i) != 0 }
	return tally{
		signed: outcome(bits & 3), unsigned: outcome(bits >> 2 & 3),
		null: is(0), any: is(1), minus: is(2), big: is(3), notFloat: is(4), notBool: is(5),
	}
}

// partitions describes the partitions of a table whose columns are in the
// order of the schema.
func (n *notes) partitions() []adapter.Partition {
	if len(n.Rows) == 0 {
		return []adapter.Partition{{ColumnBytes: make([]int64, n.Width)}}
	}
	out := make([]adapter.Partition, len(n.Rows))
	shared := len(n.Sums) < len(n.Rows)
	for i, rows := range n.Rows {
		if shared && i > 0 {
			out[i] = adapter.Partition{Rows: rows, ColumnBytes: out[0].ColumnBytes}
			continue
		}
		if shared {
			rows = slices.Max(n.Rows)
		}
		sizes := make([]int64, n.Width)
		for column := range sizes {
			field := n.field(column)
			sizes[column] = kind(n.Kinds[field]).size(rows, n.Sums[i][field])
		}
		out[i] = adapter.Partition{Rows: n.Rows[i], ColumnBytes: sizes}
	}
	return out
}

// field is the place in a record of a column of the schema.
func (n *notes) field(column int) int {
	if named := n.Width - n.Index; column >= named {
		return column - named
	}
	return column + n.Index
}

// parseNotes reads what a description remembers.
func parseNotes(text []byte) (*notes, error) {
	n := &notes{}
	err := json.Unmarshal(text, n)
	parts := len(n.Starts)
	if err == nil && (n.Width < 1 || n.Width > maxColumns || n.Index < 0 || n.Index >= n.Width ||
		len(n.Kinds) != n.Width || len(n.Sealed) != n.Width || len(n.Rows) != parts || len(n.Samples) != parts ||
		len(n.Sums) > parts || parts > 0 && len(n.Sums) == 0) {
		err = fmt.Errorf("they contradict themselves")
	}
	if err != nil {
		return nil, fmt.Errorf("csv: the description's notes do not parse: %w: %w", err, errdef.ErrUnprocessable)
	}
	return n, nil
}

func (n *notes) marshal() ([]byte, error) {
	text, err := json.Marshal(n)
	if err != nil {
		return nil, fmt.Errorf("csv: notes: %w", err)
	}
	return text, nil
}
