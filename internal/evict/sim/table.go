package sim

import (
	"fmt"
	"io"
	"strings"

	"github.com/terrazzo-data/terrazzo/internal/evict"
)

// Contender is a policy to be compared.
type Contender struct {
	// Name as it stands in the table.
	Name string
	// New makes the policy for a cache of capacity bytes.
	New func(capacity int64) evict.Policy
}

// Contenders are the policies of package evict, ours last.
func Contenders() []Contender {
	return []Contender{
		{"LRU", func(int64) evict.Policy { return evict.NewLRU() }},
		{"SIEVE", func(int64) evict.Policy { return evict.NewSieve() }},
		{"S3-FIFO", func(c int64) evict.Policy { return evict.NewS3FIFO(c) }},
		{"W-TinyLFU", func(c int64) evict.Policy { return evict.NewWTinyLFU(c) }},
		{"CAMP", func(int64) evict.Policy { return evict.NewCAMP() }},
		{"GDSF", func(int64) evict.Policy { return evict.NewGDSF() }},
		{"Hazard", func(c int64) evict.Policy { return evict.NewHazard(c) }},
	}
}

// Shares are the sizes of cache that are compared, as parts of the footprint.
func Shares() [3]float64 { return [3]float64{0.01, 0.05, 0.20} }

// Cell is what one policy did with one workload at each of [Shares].
type Cell [3]Result

// Play replays w against a policy of c for each of [Shares].
func Play(w Workload, c Contender) (cell Cell) {
	for i, share := range Shares() {
		capacity := int64(share * float64(w.Footprint))
		cell[i] = Replay(w.Requests, capacity, c.New(capacity))
	}
	return cell
}

// Table collects cells, summing up those of the same row and column (seeds).
type Table struct {
	rows, columns []string
	cells         map[[2]string][]Cell
}

// Add puts a cell into the row of a policy and the column of a workload.
func (t *Table) Add(policy, workload string, c Cell) {
	if t.cells == nil {
		t.cells = make(map[[2]string][]Cell)
	}
	at := [2]string{policy, workload}
	t.rows = appendNew(t.rows, policy)
	t.columns = appendNew(t.columns, workload)
	t.cells[at] = append(t.cells[at], c)
}

func appendNew(list []string, s string) []string {
	for _, have := range list {
		if have == s {
			return list
		}
	}
	return append(list, s)
}

// Saved returns the mean share of seconds saved, in percent, at each of [Shares].
func (t *Table) Saved(policy, workload string) (mean [3]float64) {
	cells := t.cells[[2]string{policy, workload}]
	for _, c := range cells {
		for i, r := range c {
			mean[i] += r.Saved() / float64(len(cells))
		}
	}
	return mean
}

// Mean returns the mean of Saved over workloads.
func (t *Table) Mean(policy string, workloads ...string) (mean [3]float64) {
	for _, w := range workloads {
		for i, v := range t.Saved(policy, w) {
			mean[i] += v / float64(len(workloads))
		}
	}
	return mean
}

// Print writes the table as Markdown: seconds saved in percent at each of
// [Shares], then byte hits in the same way over all workloads, then ns a request.
func (t *Table) Print(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| policy | " + strings.Join(t.columns, " | ") + " | byte hits | ns/request |\n|---|")
	b.WriteString(strings.Repeat("---|", len(t.columns)+2) + "\n")
	for _, row := range t.rows {
		b.WriteString("| " + row)
		for _, column := range t.columns {
			s := t.Saved(row, column)
			fmt.Fprintf(&b, " | %.1f/%.1f/%.1f", s[0], s[1], s[2])
		}
		bytes, ns := t.rest(row)
		fmt.Fprintf(&b, " | %.1f/%.1f/%.1f | %d |\n", bytes[0], bytes[1], bytes[2], ns)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// rest returns the mean byte hits and the mean ns a request of a row.
func (t *Table) rest(policy string) (bytes [3]float64, ns int64) {
	n := int64(0)
	for _, column := range t.columns {
		for _, c := range t.cells[[2]string{policy, column}] {
			n++
			for i, r := range c {
				bytes[i] += r.ByteHits()
				ns += int64(r.PerRequest) / int64(len(c))
			}
		}
	}
	for i := range bytes {
		bytes[i] /= float64(max(n, 1))
	}
	return bytes, ns / max(n, 1)
}
