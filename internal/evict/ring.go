package evict

// node is an entry of a policy, linked into at most one ring.
type node struct {
	older, newer *node
	key          uint64
	size         int64
	score        float64 // where the policy has one

	freq  uint8 // touches since insertion, saturating where a policy says
	queue uint8 // which of the policy's rings holds it
}

// ring orders nodes by when they were pushed. The zero value is not usable:
// see [newRing]. The head is a sentinel, so that no operation meets a nil.
type ring struct {
	head  node
	len   int
	bytes int64
}

func newRing() *ring {
	r := &ring{}
	r.head.older, r.head.newer = &r.head, &r.head
	return r
}

// oldest returns the node pushed first, nil when there is none.
func (r *ring) oldest() *node {
	if r.len == 0 {
		return nil
	}
	return r.head.newer
}

// push makes n, which is in no ring, the newest.
func (r *ring) push(n *node) {
	n.older, n.newer = r.head.older, &r.head
	n.older.newer, n.newer.older = n, n
	r.len++
	r.bytes += n.size
}

// unlink takes n out of r, which holds it.
func (r *ring) unlink(n *node) {
	n.older.newer, n.newer.older = n.newer, n.older
	n.older, n.newer = nil, nil
	r.len--
	r.bytes -= n.size
}

// renew makes n, which r holds, the newest.
func (r *ring) renew(n *node) {
	r.unlink(n)
	r.push(n)
}
