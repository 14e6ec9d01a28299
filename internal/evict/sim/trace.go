package sim

import (
	"fmt"
	"io"

	"github.com/terrazzo-data/terrazzo/internal/evict/trace"
)

// FromTrace reads a recorded trace as a workload. The cost of a key is that of
// its last load; an error is [trace.Read]'s.
func FromTrace(name string, r io.Reader) (Workload, error) {
	w := Workload{Name: name}
	sizes := make(map[uint64]int64)
	for rec, err := range trace.Read(r) {
		if err != nil {
			return Workload{}, fmt.Errorf("%s: %w", name, err)
		}
		w.Requests = append(w.Requests, Request{Key: rec.Key, Size: rec.Size, Cost: rec.Cost.Seconds()})
		w.Footprint += rec.Size - sizes[rec.Key]
		sizes[rec.Key] = rec.Size
	}
	return w, nil
}
