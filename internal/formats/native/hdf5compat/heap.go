package hdf5compat

import (
	"encoding/binary"

	"github.com/terrazzo-data/terrazzo/internal/hdf5"
)

// heapHead is the length of what precedes the objects of a direct block of a
// fractal heap (section III.G) as object headers have it: signature, version,
// address of the heap, 5 bytes of offset, and the checksum.
const heapHead = 4 + 1 + 8 + 5 + 4

// patchHeap patches the attributes in a direct block of a fractal heap, where
// they lie when an object has many. Where each begins stands elsewhere: they
// are known by their form. The checksum is over the block, with zeros in its
// own place.
func patchHeap(p []byte) {
	if len(p) < heapHead || p[4] != 0 {
		return
	}
	sum := p[heapHead-4 : heapHead]
	was := binary.LittleEndian.Uint32(sum)
	clear(sum)
	if hdf5.Checksum(p) != was {
		binary.LittleEndian.PutUint32(sum, was)
		return
	}
	for at := heapHead; at+9 < len(p); {
		if n := patchAttribute(p[at:], true); n > 0 {
			at += n
			continue
		}
		at++
	}
	binary.LittleEndian.PutUint32(sum, hdf5.Checksum(p))
}
