package hdf5compat

import "encoding/binary"

// The classes of data types (section IV.A.2.d).
const (
	classFixed = iota
	classFloat
	classTime
	classString
	classBits
	classOpaque
	classCompound
	classReference
	classEnum
	classVlen
	classArray
	classComplex
)

const (
	maxDepth   = 32
	maxMembers = 1 << 16
	// oldest is the version that data types are given: since then nothing
	// has changed but references (4) and complex numbers (5).
	oldest = 3
)

// older gives a data type message the number of the version whose encoding it
// is in. It says whether it did; a type that no older version has stays whole.
func older(p []byte) bool {
	var newer []int
	if _, ok := datatype(p, 0, func(at int) { newer = append(newer, at) }); !ok {
		return false
	}
	for _, at := range newer {
		p[at] = p[at]&0x0F | oldest<<4
	}
	return len(newer) > 0
}

// datatype walks through one data type, calls newer with the offset of each
// newer type in it, and returns its length. ok is false for what cannot be
// given an older version, and for what is none.
func datatype(p []byte, depth int, newer func(at int)) (n int, ok bool) {
	if len(p) < 8 || depth > maxDepth {
		return 0, false
	}
	version, class := p[0]>>4, p[0]&0x0F
	if version < 1 || version > 5 {
		return 0, false
	}
	if version > oldest && newer != nil {
		newer(0)
	}
	within := func(from int) (int, bool) {
		if from > len(p) {
			return 0, false
		}
		n, ok := datatype(p[from:], depth+1, func(at int) {
			if newer != nil {
				newer(from + at)
			}
		})
		return from + n, ok
	}
	switch class {
	case classFixed, classBits:
		return 12, len(p) >= 12
	case classFloat:
		return 20, len(p) >= 20
	case classTime:
		return 10, len(p) >= 10
	case classString:
		return 8, true
	case classOpaque:
		n = 8 + (int(p[1])+7)/8*8
		return n, len(p) >= n
	case classReference:
		return 8, version < 4
	case classVlen:
		return within(8)
	case classArray:
		if version < 3 || len(p) < 9 {
			return 0, false
		}
		return within(9 + 4*int(p[8]))
	case classEnum:
		return enumeration(p, version, within)
	case classCompound:
		return compound(p, version, within)
	default:
		return 0, false
	}
}

// enumeration is the length of an enumeration type: its base, names, values.
func enumeration(p []byte, version byte, within func(int) (int, bool)) (int, bool) {
	members := int(binary.LittleEndian.Uint16(p[1:]))
	base, ok := within(8)
	if !ok || version < 3 || base < 16 {
		return 0, false
	}
	size := int64(binary.LittleEndian.Uint32(p[8+4:]))
	at := base
	for range members {
		if at = after(p, at); at < 0 {
			return 0, false
		}
	}
	end := int64(at) + int64(members)*size
	return int(end), end <= int64(len(p))
}

// compound is the length of a compound type: of each member its name, its
// offset and its type.
func compound(p []byte, version byte, within func(int) (int, bool)) (int, bool) {
	members := int(binary.LittleEndian.Uint16(p[1:]))
	if version < 3 || members > maxMembers {
		return 0, false
	}
	width := 1
	for size := binary.LittleEndian.Uint32(p[4:]); size > 0xFF; size >>= 8 {
		width++
	}
	at := 8
	for range members {
		if at = after(p, at); at < 0 {
			return 0, false
		}
		next, ok := within(at + width)
		if !ok {
			return 0, false
		}
		at = next
	}
	return at, true
}

// after is where the text ends that begins at an offset; -1 if it does not.
func after(p []byte, at int) int {
	for ; at < len(p); at++ {
		if p[at] == 0 {
			return at + 1
		}
	}
	return -1
}
