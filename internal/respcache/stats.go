// SPDX-License-Identifier: BSD-3-Clause

package respcache

import (
	"sync/atomic"
	"time"
)

// Stats counts what a cache did since it was made. Every request is in exactly one of
// Hits, Confirmed, Stale, Misses, Passed and Refused.
type Stats struct {
	// Hits were served without asking; Confirmed after a 304; Stale although stale, while
	// the origin was asked or could not be reached.
	Hits, Confirmed, Stale int64
	// Misses were answered by the inner handler, Passed went by the cache, Refused got 504.
	Misses, Passed, Refused int64
	// Collapsed of all these were served by what another request fetched.
	Collapsed int64
	// Stored and Unstorable are fetched answers that were kept, and that were not.
	Stored, Unstorable int64
	// StoreErrors are failures of the store; each was served as a miss.
	StoreErrors int64
	// Purged counts purges, InFlight the bytes being fetched or still read.
	Purged, InFlight int64
	// Saved is the time of the inner handler that hits did not spend again.
	Saved time.Duration
}

type counters struct {
	hits, confirmed, stale, misses, passed, refused    atomic.Int64
	collapsed, stored, unstorable, storeErrors, purged atomic.Int64
	saved                                              atomic.Int64
}

// Stats says what was done so far. Safe for concurrent use.
func (c *Cache) Stats() Stats {
	n := &c.counts
	return Stats{
		Hits: n.hits.Load(), Confirmed: n.confirmed.Load(), Stale: n.stale.Load(),
		Misses: n.misses.Load(), Passed: n.passed.Load(), Refused: n.refused.Load(),
		Collapsed: n.collapsed.Load(), Stored: n.stored.Load(), Unstorable: n.unstorable.Load(),
		StoreErrors: n.storeErrors.Load(), Purged: n.purged.Load(), InFlight: c.inAir.Load(),
		Saved: time.Duration(n.saved.Load()),
	}
}
