//go:build native

package hdf5file

// #include <stdlib.h>
// #include "driver.h"
import "C"

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"
	"unsafe"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

const (
	// maxTexts bounds the texts that are looked at to find the longest.
	maxTexts = 50_000_000
	// textBatch is how many are read at a time.
	textBatch = 1 << 16
)

// measure finds the length of the longest text, which is that of all elements
// of the array: so Tiled serves texts of variable length. The texts are the
// version's, like all else that describing learns.
func (s *set) measure(n *notes) error {
	longest := 1
	length := func(text []byte) int { return len(text) }
	if n.Wide {
		length = utf8.RuneCount
	}
	if !s.null {
		all := ndslice.All(s.dims)
		if all.Len() > maxTexts {
			return fmt.Errorf("more than %d texts of variable length: %w", maxTexts, errdef.ErrTooLarge)
		}
		grid := ndslice.Grid{Shape: s.dims, Block: rows(s.dims, aimBytes/textBatch)}
		for p := range all.Plan(grid) {
			err := s.each(grid.Of(p.Block), func(_ int, text []byte) { longest = max(longest, length(text)) })
			if err != nil {
				return err
			}
		}
	}
	if longest > maxValue {
		return fmt.Errorf("texts of %d bytes: %w", longest, errdef.ErrTooLarge)
	}
	s.element.dtype = structure.DType{Kind: 'S', ItemSize: int64(longest), Endianness: structure.NotApplicable}
	if n.Wide {
		s.element.dtype = structure.DType{Kind: 'U', ItemSize: 4 * int64(longest), Endianness: structure.Little}
	}
	return nil
}

// texts fills dst with texts of a fixed length.
func (s *set) texts(dst []byte, size int, sel ndslice.Selection, wide bool) error {
	fits := true
	err := s.each(sel, func(i int, text []byte) {
		if wide {
			text = utf32(text)
		}
		fits = fits && len(text) <= size && (i+1)*size <= len(dst)
		if fits {
			copy(dst[i*size:], text)
		}
	})
	if err == nil && !fits {
		err = fmt.Errorf("a text has become longer: %w", errdef.ErrChanged)
	}
	return err
}

// each reads texts, or references as the paths they lead to.
func (s *set) each(sel ndslice.Selection, use func(i int, text []byte)) error {
	count := sel.Len()
	if count == 0 {
		return nil
	}
	file, memory, err := s.region(sel)
	if err != nil {
		return err
	}
	defer C.H5Sclose(file)
	defer C.H5Sclose(memory)
	size := int(C.H5Tget_size(s.own))
	b := make([]byte, count*int64(size)+16)
	if C.H5Dread(s.id, s.own, memory, file, C.H5P_DEFAULT, unsafe.Pointer(&b[0])) < 0 {
		return broken("texts")
	}
	if s.element.text == "string" {
		defer C.H5Dvlen_reclaim(s.own, memory, C.H5P_DEFAULT, unsafe.Pointer(&b[0]))
	}
	for i := range int(count) {
		e := b[i*size:]
		if s.element.text == "string" {
			use(i, cBytes(e))
			continue
		}
		use(i, []byte(s.file.reference(s.element.text == "region", e)))
	}
	return nil
}

// utf32 is a text as numpy keeps unicode strings.
func utf32(text []byte) []byte {
	out := make([]byte, 0, 4*len(text))
	for _, r := range decoded(string(text)) {
		out = binary.LittleEndian.AppendUint32(out, uint32(r))
	}
	return out
}
