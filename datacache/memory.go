package datacache

import (
	"encoding/binary"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/terrazzo-data/terrazzo/internal/evict"
)

// memory is the tier of live values: a map in shards, so that hits of many
// clients do not wait for each other, under one policy and one budget, which
// are told of hits in batches.
type memory struct {
	shards [shardCount]shard
	// generations of keys by their hash: raised before anything is discarded.
	generations [generationCount]atomic.Uint64

	// mu is taken before a shard's. It guards:
	mu     sync.Mutex
	policy evict.Policy
	room   int64
	// INVARIANT: used is the sum of the sizes of the entries in all shards,
	// and used <= room.
	used  int64
	count int
}

const (
	shardCount      = 16
	generationCount = 256
	batchSize       = 32
)

// shard is a part of the map, by the hash of the key.
type shard struct {
	mu      sync.Mutex
	entries map[uint64]*entry
	// touched are hits that the policy has not been told of.
	touched [batchSize]uint64
	pending int

	_ [64]byte // neighbours are not on one cache line
}

// entry is a value that is held. All but hits is set once.
type entry struct {
	key   key
	path  string
	value any
	size  int64 // with Overhead
	cost  time.Duration
	hits  atomic.Int64
}

// event is what happened to e.
func (e *entry) event(what Kind) Event {
	return Event{Kind: what, ID: e.key.id, Column: e.key.column, Path: e.path, Bytes: e.size, Cost: e.cost}
}

func newMemory(p evict.Policy, room int64) *memory {
	m := &memory{policy: p, room: room}
	for i := range m.shards {
		m.shards[i].entries = make(map[uint64]*entry)
	}
	return m
}

// hash is the key as the policy and the map know it. The name should be a
// digest, whose own bits are as good as any; but an adapter that counts, or
// spells out, shall not meet itself.
func (k key) hash() uint64 {
	low, high := binary.LittleEndian.Uint64(k.id[:8]), binary.LittleEndian.Uint64(k.id[8:])
	h := (low^uint64(uint32(k.column))*0x9e3779b97f4a7c15)*0xbf58476d1ce4e5b9 + bits.RotateLeft64(high, 29)*0x94d049bb133111eb
	return h ^ h>>31
}

func (m *memory) shard(h uint64) *shard { return &m.shards[h>>32%shardCount] }

// generation returns that of k now.
func (m *memory) generation(k key) uint64 {
	return m.generations[k.hash()%generationCount].Load()
}

// get returns the entry of k, nil if there is none.
func (m *memory) get(k key) *entry {
	h := k.hash()
	s := m.shard(h)
	s.mu.Lock()
	e := s.entries[h]
	if e == nil || e.key != k {
		s.mu.Unlock()
		return nil
	}
	s.touched[s.pending] = h
	s.pending++
	full := s.pending == batchSize
	var batch [batchSize]uint64
	if full {
		batch = s.touched
		s.pending = 0
	}
	s.mu.Unlock()
	e.hits.Add(1)
	if full {
		m.tell(batch[:])
	}
	return e
}

// touch counts a request for k that was answered otherwise.
func (m *memory) touch(k key) { m.tell([]uint64{k.hash()}) }

func (m *memory) tell(batch []uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range batch {
		m.policy.Touch(h)
	}
}

// drain tells the policy of all hits. The caller holds mu.
func (m *memory) drain() {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		for _, h := range s.touched[:s.pending] {
			m.policy.Touch(h)
		}
		s.pending = 0
		s.mu.Unlock()
	}
}

// put takes e, giving up others until it fits, or says why it does not take it.
// A load that began in an older generation may not put anything.
func (m *memory) put(e *entry, generation uint64) (refusal Reason, evicted []*entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := e.key.hash()
	switch have := m.at(h); {
	case m.generations[h%generationCount].Load() != generation:
		return Discarded, nil
	case e.size > m.room/largestShare:
		return Large, nil
	case have != nil && have.key != e.key:
		return Collision, nil
	case have != nil:
		m.drop(have)
	}
	m.drain()
	m.policy.Insert(h, e.size, e.cost.Seconds())
	for m.used+e.size > m.room {
		victim, ok := m.policy.Evict()
		if !ok || victim == h {
			return Worthless, evicted
		}
		if v := m.at(victim); v != nil {
			m.unlink(v)
			evicted = append(evicted, v)
		}
	}
	m.used += e.size
	m.count++
	s := m.shard(h)
	s.mu.Lock()
	s.entries[h] = e
	s.mu.Unlock()
	return Kept, evicted
}

func (m *memory) at(h uint64) *entry {
	s := m.shard(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries[h]
}

// unlink takes out an entry that the policy has given up. The caller holds mu.
func (m *memory) unlink(e *entry) {
	h := e.key.hash()
	s := m.shard(h)
	s.mu.Lock()
	delete(s.entries, h)
	s.mu.Unlock()
	m.used -= e.size
	m.count--
}

// drop takes out an entry for another reason. The caller holds mu.
func (m *memory) drop(e *entry) {
	m.policy.Remove(e.key.hash())
	m.unlink(e)
}

// discard takes out the entry of k, and lets no load of it that runs put one.
func (m *memory) discard(k key) *entry {
	h := k.hash()
	m.generations[h%generationCount].Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.at(h)
	if e == nil || e.key != k {
		return nil
	}
	m.drop(e)
	return e
}

// discardAll takes out all entries that match, and lets no load that runs now
// put anything.
func (m *memory) discardAll(match func(*entry) bool) (gone []*entry) {
	for i := range m.generations {
		m.generations[i].Add(1)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.snapshot() {
		if match(e) {
			m.drop(e)
			gone = append(gone, e)
		}
	}
	return gone
}

// snapshot returns what is held at some moment, in no order.
func (m *memory) snapshot() (all []*entry) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		for _, e := range s.entries {
			all = append(all, e)
		}
		s.mu.Unlock()
	}
	return all
}

// resize sets the room and gives up what is too much.
func (m *memory) resize(room int64) (evicted []*entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.room = room
	if r, ok := m.policy.(evict.Resizer); ok {
		r.Resize(room)
	}
	for m.used > room {
		victim, ok := m.policy.Evict()
		if !ok {
			break
		}
		if e := m.at(victim); e != nil {
			m.unlink(e)
			evicted = append(evicted, e)
		}
	}
	return evicted
}

// usage returns the bytes and the number of entries held, and the room.
func (m *memory) usage() (used int64, count int, room int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used, m.count, m.room
}
