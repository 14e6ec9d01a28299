package sim

import (
	"time"

	"github.com/terrazzo-data/terrazzo/internal/evict"
)

// Result says what a policy saved.
type Result struct {
	// Seconds and AllSeconds are the cost of the requests that hit, and of all.
	Seconds, AllSeconds float64
	// Bytes and AllBytes are their sizes, Hits and Requests their numbers.
	Bytes, AllBytes int64
	Hits, Requests  int
	// Evictions counts keys given up, newcomers refused by the policy included.
	Evictions int
	// PerRequest is the time the policy took, the replay's own map included.
	PerRequest time.Duration
}

// Saved is the share of recompute seconds saved, in percent.
func (r Result) Saved() float64 { return percent(r.Seconds, r.AllSeconds) }

// ByteHits is the share of bytes that hit, in percent.
func (r Result) ByteHits() float64 { return percent(float64(r.Bytes), float64(r.AllBytes)) }

func percent(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * part / whole
}

// warmUp is the part of the requests that is not counted: one in warmUp.
const warmUp = 10

// maxShare is the part of the capacity that one object may take: one in maxShare.
const maxShare = 8

// Replay plays the requests against a cache of capacity bytes under p. It keeps
// the owner's side of [evict.Policy]: the bytes held never exceed capacity.
func Replay(requests []Request, capacity int64, p evict.Policy) Result {
	held := make(map[uint64]int64)
	var used int64
	var r Result
	began := time.Now()
	for i, q := range requests {
		size, hit := held[q.Key]
		if i >= len(requests)/warmUp {
			r.count(q, hit)
		}
		if hit && size == q.Size {
			p.Touch(q.Key)
			continue
		}
		if hit { // it has another size now: a new version
			p.Remove(q.Key)
			delete(held, q.Key)
			used -= size
		}
		if q.Size > capacity/maxShare {
			continue
		}
		p.Insert(q.Key, q.Size, q.Cost)
		held[q.Key] = q.Size
		used += q.Size
		for used > capacity {
			victim, ok := p.Evict()
			if !ok {
				break
			}
			used -= held[victim]
			delete(held, victim)
			r.Evictions++
		}
	}
	r.PerRequest = time.Since(began) / time.Duration(max(len(requests), 1))
	return r
}

func (r *Result) count(q Request, hit bool) {
	r.Requests++
	r.AllBytes += q.Size
	r.AllSeconds += q.Cost
	if hit {
		r.Hits++
		r.Bytes += q.Size
		r.Seconds += q.Cost
	}
}
