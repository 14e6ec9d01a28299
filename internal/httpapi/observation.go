package httpapi

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// Observation is what one request was seen to do. Whoever wraps the API puts
// one into the request's context, and asks for its Seen afterwards. It is safe
// for concurrent use: with a cache in between, the API can still be at work
// when the request that began it has been answered.
type Observation struct {
	mu    sync.Mutex
	seen  Seen
	spans []span
	space [4]span
}

// Seen is what an [Observation] holds at one moment.
type Seen struct {
	// Endpoint is the route's name, such as "array/full"; empty if none fits.
	Endpoint string
	// Family is the node's structure family, as far as it was looked up.
	Family string
	// Blocks or partitions were read, in Opens files opened and BytesRead
	// bytes from them.
	Blocks, Opens, BytesRead int64
	// Gone says that the client left.
	Gone bool
}

// Seen returns what was seen so far.
func (o *Observation) Seen() Seen {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen
}

// note changes what was seen.
func (o *Observation) note(change func(*Seen)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change(&o.seen)
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

// add counts one block that was read.
func (o *Observation) add(cost adapter.Cost) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen.Blocks++
	o.seen.Opens += cost.Opens
	o.seen.BytesRead += cost.Bytes
}

// time adds the time since start to the span of that name.
func (o *Observation) time(name string, start time.Time) {
	took := time.Since(start)
	o.mu.Lock()
	defer o.mu.Unlock()
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
	o.mu.Lock()
	defer o.mu.Unlock()
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
