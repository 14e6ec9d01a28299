package evict

// S3FIFO is S3-FIFO (Yang and others, SOSP 2023): a small queue, a tenth of the
// bytes, through which newcomers must pass and be touched to get into the main
// one, and a ghost queue of those that did not, who come back into the main
// queue at once. It knows sizes, not costs. See [NewS3FIFO].
type S3FIFO struct {
	capacity int64
	nodes    map[uint64]*node
	queues   [3]*ring // by node.queue
}

const (
	queueSmall = iota
	queueMain
	queueGhost
)

const (
	smallShare  = 10 // the small queue has one in smallShare of the bytes
	s3MaxFreq   = 3
	s3Promotion = 2 // touches after which a node leaves the small queue upwards
)

var _ Policy = (*S3FIFO)(nil)

// NewS3FIFO returns an empty S3FIFO for a cache of capacity bytes.
func NewS3FIFO(capacity int64) *S3FIFO {
	return &S3FIFO{capacity: capacity, nodes: make(map[uint64]*node), queues: [3]*ring{newRing(), newRing(), newRing()}}
}

// Insert implements [Policy].
func (p *S3FIFO) Insert(key uint64, size int64, _ float64) {
	queue := uint8(queueSmall)
	if n := p.nodes[key]; n != nil {
		if n.queue != queueSmall {
			queue = queueMain
		}
		p.forget(n)
	}
	n := &node{key: key, size: size}
	p.nodes[key] = n
	p.put(n, queue)
}

// Touch implements [Policy].
func (p *S3FIFO) Touch(key uint64) {
	if n := p.nodes[key]; n != nil && n.queue != queueGhost {
		n.freq = min(n.freq+1, s3MaxFreq)
	}
}

// Evict implements [Policy].
func (p *S3FIFO) Evict() (uint64, bool) {
	small, main := p.queues[queueSmall], p.queues[queueMain]
	for small.len+main.len > 0 {
		if small.len > 0 && (small.bytes > p.capacity/smallShare || main.len == 0) {
			n := small.oldest()
			small.unlink(n)
			if n.freq >= s3Promotion {
				n.freq = 0
				p.put(n, queueMain)
				continue
			}
			p.put(n, queueGhost)
			p.trimGhosts()
			return n.key, true
		}
		n := main.oldest()
		if n.freq > 0 {
			n.freq--
			main.renew(n)
			continue
		}
		p.forget(n)
		return n.key, true
	}
	return 0, false
}

// Remove implements [Policy].
func (p *S3FIFO) Remove(key uint64) {
	if n := p.nodes[key]; n != nil && n.queue != queueGhost {
		p.forget(n)
	}
}

func (p *S3FIFO) put(n *node, queue uint8) {
	n.queue = queue
	p.queues[queue].push(n)
}

func (p *S3FIFO) forget(n *node) {
	p.queues[n.queue].unlink(n)
	delete(p.nodes, n.key)
}

func (p *S3FIFO) trimGhosts() {
	for ghosts := p.queues[queueGhost]; ghosts.bytes > p.capacity; {
		p.forget(ghosts.oldest())
	}
}
