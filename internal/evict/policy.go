// Package evict decides which entry of a bounded cache to give up.
//
// A policy knows keys, sizes and costs: no values, no budget of its own, no
// lock and no clock. Whoever holds the values keeps the sum of their sizes and
// calls Evict until there is room. So one policy serves every cache here, and
// [github.com/terrazzo-data/terrazzo/internal/evict/sim] can replay a month of
// traffic through it in seconds.
//
// Keys are hashes of the owner's keys: a policy keeps a history of many more
// entries than there are values, and must not keep their names alive.
package evict

// Policy orders the entries of one cache. It does not permit concurrent access.
//
// A key is present from Insert until Evict returns it or Remove names it. The
// owner inserts what it is about to hold and then evicts until that fits; the
// key given up may be the one just inserted, which is how a policy refuses
// what is not worth its place.
type Policy interface {
	// Insert adds a key that is not present. Size is in bytes and positive;
	// cost is what it takes to get the value again, in seconds, not negative.
	// Inserting a key that is present counts as a Touch with a new size and cost.
	Insert(key uint64, size int64, cost float64)
	// Touch says that key was asked for and found. An absent key is ignored.
	Touch(key uint64)
	// Evict chooses the key to give up and removes it. False says that no key
	// is present.
	Evict() (key uint64, ok bool)
	// Remove removes a key whose value is gone for another reason: discarded,
	// or its source has changed. An absent key is ignored. What a policy has
	// learnt about the key may stay.
	Remove(key uint64)
}

// Resizer is what policies can do that have learnt from the room there is.
type Resizer interface {
	// Resize says that the cache may from now on hold capacity bytes. The owner
	// evicts what is too much.
	Resize(capacity int64)
}
