package source

import (
	"context"
	"crypto/sha256"
	"sync"

	"github.com/terrazzo-data/terrazzo/adapter"
)

var _ adapter.Identifier = array{}

// IdentifyBlock implements [adapter.Identifier]. Blocks of files that change,
// or were seen to change before, are named by their fingerprints.
func (a array) IdentifyBlock(ctx context.Context, v adapter.Version, block []int64) adapter.BlockID {
	id := a.BlockID(v, block)
	p, err := pinOf(v)
	if err != nil || id.ID == (adapter.ID{}) || !p.d.AppendOnly && v.Trusted && !a.node.memory.fingerprints.changes(a.node.key) {
		return id
	}
	if _, ok := p.reader.(adapter.Fingerprinter); !ok {
		return id
	}
	if known, ok := a.node.memory.fingerprints.of(id); ok {
		return known
	}
	named := id
	_, err = a.node.reading(v, func(s *session, p *pin) error {
		r, err := opened[adapter.Fingerprinter](a.node, s, p.d)
		if err != nil {
			return err
		}
		is, err := r.Fingerprint(ctx, block)
		if err == nil && is != (adapter.ID{}) {
			named = a.node.printed(p.d, is, block)
		}
		return err
	})
	if err != nil {
		return id // reading it will say why
	}
	a.node.memory.fingerprints.put(id, named)
	return named
}

// printed names a block with that fingerprint.
func (n *Node) printed(d *adapter.Description, fingerprint adapter.ID, block []int64) adapter.BlockID {
	h := sha256.New()
	base := n.lasting(d)
	_, _ = h.Write(base[:])
	_, _ = h.Write(fingerprint[:])
	hashInts(h, block)
	hashInts(h, d.Grid.BlockShape(block))
	return adapter.BlockID{ID: adapter.ID(h.Sum(nil)[:16]), Trusted: true}
}

// prints remember which nodes have files that change, and the names that blocks
// of those have by their fingerprints, by their names by stamps. The zero value is
// empty.
type prints struct {
	mu       sync.Mutex
	names    map[adapter.ID]adapter.BlockID
	changing map[adapter.ID]struct{}
}

const (
	// maxPrints bounds the names that are remembered, maxChanging the nodes;
	// beyond it all are found out anew.
	maxPrints   = 1 << 16
	maxChanging = 1 << 14
)

// of returns what is remembered of a block whose name by stamps is trusted.
func (p *prints) of(id adapter.BlockID) (adapter.BlockID, bool) {
	if !id.Trusted {
		return adapter.BlockID{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	named, ok := p.names[id.ID]
	return named, ok
}

func (p *prints) put(id, named adapter.BlockID) {
	if !id.Trusted {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.names == nil || len(p.names) >= maxPrints {
		p.names = make(map[adapter.ID]adapter.BlockID)
	}
	p.names[id.ID] = named
}

// change notes that the files of a node were seen while they changed.
func (p *prints) change(key adapter.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changing == nil || len(p.changing) >= maxChanging {
		p.changing = make(map[adapter.ID]struct{})
	}
	p.changing[key] = struct{}{}
}

// changes says whether the files of a node were ever seen while they changed.
func (p *prints) changes(key adapter.ID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.changing[key]
	return ok
}
