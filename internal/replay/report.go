package replay

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Result is what a replay found.
type Result struct {
	// Requests were sent in each round, to so many different targets.
	Requests, Targets int
	Ways              []WayResult
}

// WayResult is what one way cost, round by round, and where its answers differed from
// those of the first way.
type WayResult struct {
	Name   string
	Rounds []Cost
	// Differing answers of all rounds, of which Differences says how (each target once, the
	// first few). Unstable are those where the direct answer itself changed meanwhile.
	Differing, Unstable int
	Differences         []Difference
}

// Cost is what one replay along one way cost.
type Cost struct {
	// Waited is the time from sending each request to the last byte of its answer, summed
	// over all requests; Median and P99 are of one request. Wall is from begin to end.
	Waited, Median, P99, Wall time.Duration
	// Origin is what reached the server that holds the data.
	Origin Traffic
	// CPU is what that server used, -1 if not known; Own what this process used, which is
	// the client, the comparison, and what caches run in it.
	CPU, Own time.Duration
	// Failed requests got no answer, or a 5xx.
	Failed int64
}

// Differing tells whether any way answered otherwise than the first.
func (r *Result) Differing() bool {
	return slices.ContainsFunc(r.Ways, func(w WayResult) bool { return w.Differing > 0 })
}

// Figure is one cell: median, least and most of the rounds.
type Figure struct {
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

// figure returns nothing where a round has no value.
func figure(rounds []Cost, of func(Cost) float64) *Figure {
	values := make([]float64, 0, len(rounds))
	for _, c := range rounds {
		v := of(c)
		if v < 0 {
			return nil
		}
		values = append(values, v)
	}
	if len(values) == 0 {
		return nil
	}
	slices.Sort(values)
	middle := (values[(len(values)-1)/2] + values[len(values)/2]) / 2
	return &Figure{Median: middle, Least: values[0], Most: values[len(values)-1]}
}

// measure is a row of the table.
type measure struct {
	title, key string
	of         func(Cost) float64
}

// measures are the rows of the table.
func measures() []measure {
	return []measure{
		{"seconds at the client", "seconds", func(c Cost) float64 { return c.Waited.Seconds() }},
		{"ms a request, median", "median_ms", func(c Cost) float64 { return c.Median.Seconds() * 1e3 }},
		{"ms a request, 99 of 100", "p99_ms", func(c Cost) float64 { return c.P99.Seconds() * 1e3 }},
		{"requests that reached the origin", "origin_requests", func(c Cost) float64 { return float64(c.Origin.Requests) }},
		{"MB that left the origin", "origin_mb", func(c Cost) float64 { return float64(c.Origin.Bytes) / 1e6 }},
		{"CPU seconds of the origin", "origin_cpu_s", func(c Cost) float64 { return c.CPU.Seconds() }},
		{"CPU seconds of this program", "own_cpu_s", func(c Cost) float64 { return c.Own.Seconds() }},
		{"failed requests", "failed", func(c Cost) float64 { return float64(c.Failed) }},
	}
}

// WriteTable writes a table in Markdown: of each way the median of the rounds, their
// spread, and how many times less that is than the first way's.
func (r *Result) WriteTable(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| |")
	for _, way := range r.Ways {
		b.WriteString(" " + way.Name + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(r.Ways)) + "\n")
	for _, m := range measures() {
		b.WriteString("| " + m.title + " |")
		first := figure(r.Ways[0].Rounds, m.of)
		for i, way := range r.Ways {
			b.WriteString(" " + cell(figure(way.Rounds, m.of), first, i > 0) + " |")
		}
		b.WriteString("\n")
	}
	b.WriteString("| answers that differ from the first column's | |")
	for _, way := range r.Ways[1:] {
		fmt.Fprintf(&b, " %d |", way.Differing)
	}
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func cell(f, first *Figure, ratio bool) string {
	if f == nil {
		return "–"
	}
	text := digits(f.Median)
	if f.Least != f.Most {
		text += " (" + digits(f.Least) + "–" + digits(f.Most) + ")"
	}
	if ratio && first != nil && first.Median > 0 && f.Median > 0 {
		text += " " + digits(first.Median/f.Median) + "×"
	}
	return text
}

// digits are as many as say something.
func digits(v float64) string {
	switch {
	case v == float64(int64(v)) || v >= 1000:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 0.01:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.2g", v)
}

// Document is the result in JSON's terms.
func (r *Result) Document() map[string]any {
	ways := make([]map[string]any, 0, len(r.Ways))
	for _, way := range r.Ways {
		d := map[string]any{"name": way.Name, "differing": way.Differing, "unstable": way.Unstable, "differences": way.Differences}
		for _, m := range measures() {
			d[m.key] = figure(way.Rounds, m.of)
		}
		ways = append(ways, d)
	}
	return map[string]any{"requests": r.Requests, "targets": r.Targets, "rounds": len(r.Ways[0].Rounds), "ways": ways}
}
