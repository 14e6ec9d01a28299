package zarr

import (
	"math"

	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// transpose has the axes of a chunk in another order.
type transpose struct {
	// stored is the shape as it is stored; order turns it back.
	stored []int64
	order  []int
	item   int
}

// transposeOf is the codec that stored axis order[i] as axis i; nothing where
// that changes nothing.
func transposeOf(a *array, order []int) []codec {
	back, changes := make([]int, len(order)), false
	for i, axis := range order {
		back[axis] = i
		changes = changes || i != axis
	}
	if !changes || a.dtype.ItemSize == 0 {
		return nil
	}
	return []codec{transpose{stored: permuted(a.chunk, order), order: back, item: int(a.dtype.ItemSize)}}
}

func (c transpose) decode(_ *tools, dst, src []byte) ([]byte, error) {
	size := c.item
	for _, n := range c.stored {
		size *= int(n)
	}
	if len(src) != size || len(dst) < size {
		return nil, unprocessable("transpose: %d bytes, expected %d", len(src), size)
	}
	ndslice.Transpose(dst[:size], src, c.stored, c.order, c.item)
	return dst[:size], nil
}

func (transpose) encoded(n int64) (int64, bool) { return n, true }

// swap turns the bytes of each number around.
type swap struct{ unit int }

// swapsOf is what turns elements of the type around; nothing for those that
// have no byte order.
func swapsOf(t structure.DType) []codec {
	unit := int(t.ItemSize)
	switch t.Kind {
	case 'c':
		unit /= 2
	case 'U':
		unit = 4
	case 'i', 'u', 'f', 'm', 'M':
	default:
		return nil
	}
	if unit < 2 || t.ItemSize == 0 {
		return nil
	}
	return []codec{swap{unit}}
}

func (c swap) decode(_ *tools, dst, src []byte) ([]byte, error) {
	if len(src)%c.unit != 0 || len(src) > len(dst) {
		return nil, unprocessable("bytes: %d bytes, expected %d", len(src), len(dst))
	}
	for at := 0; at < len(src); at += c.unit {
		for i := range c.unit {
			dst[at+i] = src[at+c.unit-1-i]
		}
	}
	return dst[:len(src)], nil
}

func (swap) encoded(n int64) (int64, bool) { return n, true }

// shuffle has the first bytes of all elements in front, then the second, and so on.
type shuffle struct{ item int }

func newShuffle(config map[string]any) (codec, error) {
	item, ok := config["elementsize"].(int64)
	if config["elementsize"] == nil {
		item, ok = 4, true
	}
	if !ok || item < 1 || item > 1<<16 {
		return nil, unprocessable("shuffle: elementsize: expected a size")
	}
	return shuffle{int(item)}, nil
}

func (c shuffle) decode(_ *tools, dst, src []byte) ([]byte, error) {
	if len(src)%c.item != 0 || len(src) > len(dst) {
		return nil, unprocessable("shuffle: %d bytes in elements of %d", len(src), c.item)
	}
	count := len(src) / c.item
	for b := range c.item {
		for i, v := range src[b*count : (b+1)*count] {
			dst[i*c.item+b] = v
		}
	}
	return dst[:len(src)], nil
}

func (shuffle) encoded(n int64) (int64, bool) { return n, true }

// numbers are the types of both sides of a filter.
type numbers struct{ decoded, stored structure.DType }

func newNumbers(id string, config map[string]any) (numbers, error) {
	text, _ := config["dtype"].(string)
	decoded, err := structure.ParseDType(text)
	if err != nil {
		return numbers{}, unprocessable("%s: dtype: %w", id, err)
	}
	n := numbers{decoded, decoded}
	if as, ok := config["astype"].(string); ok {
		if n.stored, err = structure.ParseDType(as); err != nil {
			return numbers{}, unprocessable("%s: astype: %w", id, err)
		}
	}
	for _, t := range []structure.DType{n.decoded, n.stored} {
		if t.Kind != 'i' && t.Kind != 'u' && (t.Kind != 'f' || t.ItemSize != 4 && t.ItemSize != 8) {
			return numbers{}, unsupported("%s: elements of type %s", id, t)
		}
	}
	return n, nil
}

func (n numbers) encoded(size int64) (int64, bool) {
	return size / n.decoded.ItemSize * n.stored.ItemSize, size%n.decoded.ItemSize == 0
}

// room checks the sizes of a filter's input and output.
func (n numbers) room(id string, dst, src []byte) ([]byte, int, error) {
	count := len(src) / int(n.stored.ItemSize)
	if size := count * int(n.decoded.ItemSize); len(src)%int(n.stored.ItemSize) == 0 && size <= len(dst) {
		return dst[:size], count, nil
	}
	return nil, 0, unprocessable("%s: %d bytes, elements of %d", id, len(src), n.stored.ItemSize)
}

// delta has the differences between one element and the next.
type delta struct{ numbers }

func newDelta(config map[string]any) (codec, error) {
	n, err := newNumbers("delta", config)
	if err == nil && (n.decoded.Kind == 'f') != (n.stored.Kind == 'f') {
		err = unsupported("delta: from %s to %s", n.decoded, n.stored)
	}
	return delta{n}, err
}

func (c delta) decode(_ *tools, dst, src []byte) ([]byte, error) {
	out, count, err := c.room("delta", dst, src)
	if err != nil {
		return nil, err
	}
	bits, float := uint64(0), 0.0
	for i := range count {
		b, f := load(c.stored, src, i)
		bits, float = bits+b, float+f
		if c.decoded.Kind != 'f' {
			putUint(element(c.decoded, out, i), bits, order(c.decoded))
			continue
		}
		if c.decoded.ItemSize == 4 {
			float = float64(float32(float))
		}
		fillFloat(element(c.decoded, out, i), float, order(c.decoded))
	}
	return out, nil
}

// scale has (x - offset) * scale, rounded.
type scale struct {
	numbers
	factor, offset float64
}

func newScale(config map[string]any) (codec, error) {
	n, err := newNumbers("fixedscaleoffset", config)
	if err != nil {
		return nil, err
	}
	factor, ok := asFloat(config["scale"])
	offset, hasOffset := asFloat(config["offset"])
	if !ok || !hasOffset || factor == 0 {
		return nil, unprocessable("fixedscaleoffset: expected a scale and an offset")
	}
	return scale{n, factor, offset}, nil
}

func asFloat(v any) (float64, bool) {
	if n, ok := v.(int64); ok {
		return float64(n), true
	}
	f, ok := v.(float64)
	return f, ok
}

func (c scale) decode(_ *tools, dst, src []byte) ([]byte, error) {
	out, count, err := c.room("fixedscaleoffset", dst, src)
	if err != nil {
		return nil, err
	}
	for i := range count {
		bits, f := load(c.stored, src, i)
		switch {
		case c.stored.Kind == 'i':
			f = float64(int64(bits))/c.factor + c.offset
		case c.stored.Kind == 'u':
			f = float64(bits)/c.factor + c.offset
		case c.stored.ItemSize == 4: // numpy stays in single precision
			f = float64(float32(f)/float32(c.factor) + float32(c.offset))
		default:
			f = f/c.factor + c.offset
		}
		if c.decoded.Kind == 'f' {
			fillFloat(element(c.decoded, out, i), f, order(c.decoded))
			continue
		}
		bits = uint64(int64(f))
		if c.decoded.Kind == 'u' && f > 0 {
			bits = uint64(f)
		}
		putUint(element(c.decoded, out, i), bits, order(c.decoded))
	}
	return out, nil
}

func element(t structure.DType, b []byte, i int) []byte {
	return b[i*int(t.ItemSize):][:t.ItemSize]
}

// load reads an element: the sign-extended bits of a whole number, or a float.
func load(t structure.DType, b []byte, i int) (uint64, float64) {
	e := element(t, b, i)
	var bits uint64
	switch o := order(t); len(e) {
	case 1:
		bits = uint64(e[0])
	case 2:
		bits = uint64(o.Uint16(e))
	case 4:
		bits = uint64(o.Uint32(e))
	default:
		bits = o.Uint64(e)
	}
	if t.Kind == 'f' {
		if len(e) == 4 {
			return 0, float64(math.Float32frombits(uint32(bits)))
		}
		return 0, math.Float64frombits(bits)
	}
	if t.Kind == 'i' {
		unused := 64 - 8*len(e)
		bits = uint64(int64(bits<<unused) >> unused)
	}
	return bits, 0
}
