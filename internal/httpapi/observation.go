package httpapi

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// Observation is what one request was seen to do. Whoever wraps the API puts
// one into the request's context to read it afterwards.
type Observation struct {
	// Endpoint is the route's name, such as "array/full"; empty if none fits.
	Endpoint string
	// Family is the node's structure family, as far as it was looked up.
	Family string
	// Blocks or partitions were read, in Opens files opened and BytesRead
	// bytes from them.
	Blocks, Opens, BytesRead int64
	// Started says that the header was sent; Gone that the client left.
	Started, Gone bool

	mu    sync.Mutex // guards the counts while blocks are read side by side
	spans []span
	space [4]span
}

type span struct {
	name string
	took time.Duration
}

type observationKey struct{}

// WithObservation returns a context that carries o.
func WithObservation(ctx context.Context, o *Observation) context.Context {
	return context.WithValue(ctx, observationKey{}, o)
}

func observation(ctx context.Context) *Observation {
	if o, ok := ctx.Value(observationKey{}).(*Observation); ok {
		return o
	}
	return &Observation{}
}

// add counts one block that was read. It is safe for concurrent use.
func (o *Observation) add(cost adapter.Cost) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Blocks++
	o.Opens += cost.Opens
	o.BytesRead += cost.Bytes
}

// time adds the time since start to the span of that name.
func (o *Observation) time(name string, start time.Time) {
	took := time.Since(start)
	for i := range o.spans {
		if o.spans[i].name == name {
			o.spans[i].took += took
			return
		}
	}
	if o.spans == nil {
		o.spans = o.space[:0]
	}
	o.spans = append(o.spans, span{name, took})
}

// serverTiming writes the spans so far as a Server-Timing header, in
// milliseconds, with Tiled's names: acl, read, tok, pack, compress.
func (o *Observation) serverTiming() string {
	b := make([]byte, 0, 64)
	for i, s := range o.spans {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(append(b, s.name...), ";dur="...)
		b = strconv.AppendFloat(b, float64(s.took)/1e6, 'f', 3, 64)
	}
	return string(b)
}
