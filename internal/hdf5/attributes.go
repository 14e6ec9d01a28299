package hdf5

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// AttributesOf makes attributes of metadata, which are plain values as in
// adapter.Description, in the order of their names: as h5py would, numbers,
// texts and lists of them as what they are. What HDF5 has no attribute for
// (maps, mixed or ragged lists, numbers over 32 KB) is the text that document
// makes of it.
func AttributesOf(metadata map[string]any, document func(any) ([]byte, error)) ([]Attribute, error) {
	var out []Attribute
	for _, name := range slices.Sorted(maps.Keys(metadata)) {
		if name == "" || len(name) > maxName {
			return nil, fmt.Errorf("hdf5: metadata %.100q: no name for an attribute: %w", name, errdef.ErrNotAcceptable)
		}
		a, ok := plain(metadata[name])
		if !ok {
			text, err := document(metadata[name])
			if err != nil {
				return nil, fmt.Errorf("hdf5: metadata %.100q: %w", name, err)
			}
			a = Attribute{Texts: []string{string(text)}}
		}
		a.Name = name
		out = append(out, a)
	}
	return out, nil
}

// plain is the attribute of a value, if there is one.
func plain(value any) (Attribute, bool) {
	list, ok := value.([]any)
	if !ok {
		return single(value)
	}
	shape := []int64{}
	flat, ok := flatten(list, 0, &shape, nil)
	if !ok || 8*len(flat) > maxMessage/2 {
		return Attribute{}, false
	}
	a := Attribute{Shape: shape, Type: number('f'), Data: []byte{}}
	kinds := map[byte]bool{}
	for i, v := range flat {
		one, ok := single(v)
		if !ok || one.Texts == nil && one.Data == nil {
			return Attribute{}, false
		}
		if i == 0 {
			a.Type, a.Texts = one.Type, nil
		}
		kinds[one.Type.Kind] = true
		a.Texts, a.Data = append(a.Texts, one.Texts...), append(a.Data, one.Data...)
	}
	switch {
	case len(kinds) <= 1 && len(a.Texts) == 0:
		return a, a.Type.Kind != 'S'
	case len(kinds) == 1 && len(a.Texts) == len(flat):
		a.Data = nil
		return a, true
	case len(a.Texts) > 0 || kinds['b'] || kinds['S'] || kinds['u']:
		return Attribute{}, false
	}
	a.Data = a.Data[:0]
	for _, v := range flat { // whole numbers among others
		f, ok := v.(float64)
		if n, whole := v.(int64); whole {
			f, ok = float64(n), true
		}
		if !ok {
			return Attribute{}, false
		}
		a.Data = binary.LittleEndian.AppendUint64(a.Data, math.Float64bits(f))
	}
	a.Type = number('f')
	return a, true
}

// flatten takes lists in lists apart, if they have one shape.
func flatten(list []any, level int, shape *[]int64, out []any) ([]any, bool) {
	if level == len(*shape) {
		if level == maxRank || out != nil {
			return nil, false
		}
		*shape = append(*shape, int64(len(list)))
	}
	if (*shape)[level] != int64(len(list)) {
		return nil, false
	}
	for _, v := range list {
		below, ok := v.([]any)
		if ok != (level+1 < len(*shape)) && (!ok || out != nil) {
			return nil, false
		}
		if !ok {
			out = append(out, v)
			continue
		}
		if out, ok = flatten(below, level+1, shape, out); !ok {
			return nil, false
		}
	}
	return out, true
}

// single is the attribute of a value that is no list and no map.
func single(value any) (Attribute, bool) {
	switch v := value.(type) {
	case nil:
		return Attribute{}, true
	case string:
		return Attribute{Texts: []string{v}}, true
	case bool:
		a := Attribute{Type: structure.DType{Kind: 'b', ItemSize: 1}, Data: []byte{0}}
		if v {
			a.Data[0] = 1
		}
		return a, true
	case int64:
		return Attribute{Type: number('i'), Data: u64(nil, uint64(v))}, true //nolint:gosec // the same bits
	case uint64:
		return Attribute{Type: number('u'), Data: u64(nil, v)}, true
	case float64:
		return Attribute{Type: number('f'), Data: u64(nil, math.Float64bits(v))}, true
	case time.Time:
		return Attribute{Texts: []string{v.Format(time.RFC3339Nano)}}, true
	case []byte:
		if len(v) == 0 || len(v) > maxMessage/2 {
			return Attribute{}, len(v) == 0
		}
		return Attribute{Type: structure.DType{Kind: 'S', ItemSize: int64(len(v))}, Data: v}, true
	}
	return Attribute{}, false
}

func number(kind byte) structure.DType {
	return structure.DType{Kind: kind, ItemSize: 8, Endianness: structure.Little}
}
