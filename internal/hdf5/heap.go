package hdf5

// A global heap collection (III.E) of at most so many objects and bytes. None
// is smaller than what libhdf5 reads at once.
const (
	maxObjects  = 4096
	heapBytes   = 1 << 20
	leastHeap   = 4096
	objectBytes = 16
)

// heap is a collection. What refers to nodes is known when they have places.
type heap struct {
	at      int64
	size    int64
	objects []object
}

type object struct {
	text   string
	target *Node
}

// place is an object in a heap; the zero place is an empty text.
type place struct {
	heap  *heap
	index int
}

// fill gives what a node's attributes refer to a place in a heap.
func (f *File) fill(n *Node) {
	for i := range n.Attributes {
		a := &n.Attributes[i]
		a.heap = nil
		for _, text := range a.Texts {
			p := place{}
			if text != "" {
				p = f.keep(object{text: text})
			}
			a.heap = append(a.heap, p)
		}
		if !a.listed {
			continue
		}
		for _, target := range a.targets {
			a.heap = append(a.heap, f.keep(object{target: target}))
		}
	}
}

func (f *File) keep(o object) place {
	var h *heap
	if len(f.heaps) > 0 {
		h = f.heaps[len(f.heaps)-1]
	}
	if h == nil || len(h.objects) == maxObjects || h.size > 0 && h.size+o.length() > heapBytes {
		h = &heap{}
		f.heaps = append(f.heaps, h)
	}
	h.objects = append(h.objects, o)
	h.size += o.length()
	return place{h, len(h.objects)}
}

func (o object) bytes() []byte {
	if o.target != nil {
		return u64(nil, uint64(o.target.at)) //nolint:gosec // not negative
	}
	return []byte(o.text)
}

func (o object) length() int64 {
	n := int64(len(o.text))
	if o.target != nil {
		n = 8
	}
	return objectBytes + (n+7)/8*8
}

// length is that of the collection: its header, the objects, free space.
func (h *heap) length() int64 { return max(16+h.size+objectBytes, leastHeap) }

func (h *heap) encode() []byte {
	b := append([]byte("GCOL"), 1, 0, 0, 0)
	b = u64(b, uint64(h.length())) //nolint:gosec // not negative
	for i, o := range h.objects {
		data := o.bytes()
		b = u32(u16(u16(b, i+1), 1), 0)
		b = append(u64(b, uint64(len(data))), data...)
		b = append(b, make([]byte, (8-len(data)%8)%8)...)
	}
	// Object 0 is the free space, its own header included.
	free := h.length() - int64(len(b))
	b = u64(u32(u16(u16(b, 0), 0), 0), uint64(free)) //nolint:gosec // not negative
	return append(b, make([]byte, h.length()-int64(len(b)))...)
}
