package media

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// pixels calls f with the elements as float32, some thousand at a time. Of
// complex numbers it takes the real part.
func (a *Array) pixels(ctx context.Context, f func([]float32) error) error {
	read := pixelReader(a.Type)
	size := int(a.Type.ItemSize)
	values := make([]float32, 0, 4096)
	return a.pieces(ctx, func(piece []byte) error {
		for len(piece) > 0 {
			n := min(len(piece)/size, cap(values))
			values = read(values[:n], piece)
			if err := f(values); err != nil {
				return err
			}
			piece = piece[n*size:]
		}
		return nil
	})
}

// pixelReader turns as many elements as there is room for into float32, as
// numpy's astype does.
func pixelReader(t structure.DType) func(values []float32, data []byte) []float32 {
	order := binary.ByteOrder(binary.LittleEndian)
	if t.Endianness == structure.Big {
		order = binary.BigEndian
	}
	size := int(t.ItemSize)
	var read func(item []byte) float32
	switch {
	case t.Kind == 'b' || t.Kind == 'u' && size == 1:
		return func(values []float32, data []byte) []float32 {
			for i := range values {
				values[i] = float32(data[i])
			}
			return values
		}
	case t.Kind == 'u' && size == 2:
		read = func(item []byte) float32 { return float32(order.Uint16(item)) }
	case t.Kind == 'u' && size == 4:
		read = func(item []byte) float32 { return float32(order.Uint32(item)) }
	case t.Kind == 'u':
		read = func(item []byte) float32 { return float32(order.Uint64(item)) }
	case t.Kind == 'f' || t.Kind == 'c':
		width := size
		if t.Kind == 'c' {
			width /= 2
		}
		wide, _ := floatOf(width, order)
		read = func(item []byte) float32 { return float32(wide(item)) }
	case size == 1:
		read = func(item []byte) float32 { return float32(int8(item[0])) }
	case size == 2:
		read = func(item []byte) float32 { return float32(int16(order.Uint16(item))) }
	case size == 4:
		read = func(item []byte) float32 { return float32(int32(order.Uint32(item))) }
	default:
		read = func(item []byte) float32 { return float32(int64(order.Uint64(item))) }
	}
	return func(values []float32, data []byte) []float32 {
		for i := range values {
			values[i] = read(data[i*size:])
		}
		return values
	}
}

// rank is a float32 as an integer that sorts the same.
func rank(v float32) uint32 {
	bits := math.Float32bits(v)
	if bits>>31 != 0 {
		return ^bits
	}
	return bits | 1<<31
}

func unrank(r uint32) float32 {
	if r>>31 != 0 {
		return math.Float32frombits(r &^ (1 << 31))
	}
	return math.Float32frombits(^r)
}

// percentiles finds the 1st and the 99th percentile of the elements as
// numpy.percentile does, in two passes and memory that does not grow: the
// first counts the upper half of each value's rank, the second the lower half
// of those that share it with a value that is wanted.
//
// NaN do not count; numpy would answer NaN. ok is false if nothing else is there.
func (a *Array) percentiles(ctx context.Context) (low, high float32, ok bool, err error) {
	upper := make([]int64, 1<<16)
	total := int64(0)
	err = a.pixels(ctx, func(values []float32) error {
		for _, v := range values {
			if v == v {
				upper[rank(v)>>16]++
				total++
			}
		}
		return nil
	})
	if err != nil || total == 0 {
		return 0, 0, false, err
	}
	lowAt, highAt := float64(total-1)*0.01, float64(total-1)*0.99
	// The values that the two are interpolated between, by their position.
	wanted := [4]int64{int64(lowAt), min(int64(lowAt)+1, total-1), int64(highAt), min(int64(highAt)+1, total-1)}
	exact, err := a.atPositions(ctx, upper, wanted)
	if err != nil {
		return 0, 0, false, err
	}
	low = between(exact[0], exact[1], lowAt-math.Floor(lowAt))
	high = between(exact[2], exact[3], highAt-math.Floor(highAt))
	return low, high, true, nil
}

// atPositions is the second pass: the values at four positions of the sorted
// elements, given how often each upper half occurs.
func (a *Array) atPositions(ctx context.Context, upper []int64, wanted [4]int64) (exact [4]float32, err error) {
	var half [4]uint32 // the upper half of each wanted value
	var rest [4]int64  // how many with that half come before it
	lower := map[uint32][]int64{}
	for i, position := range wanted {
		for upper[half[i]] <= position {
			position -= upper[half[i]]
			half[i]++
		}
		rest[i] = position
		if lower[half[i]] == nil {
			lower[half[i]] = make([]int64, 1<<16)
		}
	}
	counts := make([][]int64, 1<<16)
	for h, count := range lower {
		counts[h] = count
	}
	err = a.pixels(ctx, func(values []float32) error {
		for _, v := range values {
			if r := rank(v); counts[r>>16] != nil && v == v {
				counts[r>>16][r&0xffff]++
			}
		}
		return nil
	})
	if err != nil {
		return exact, err
	}
	for i := range exact {
		count, low := lower[half[i]], uint32(0)
		for rest[i] >= 0 && low < 1<<16 && count[low] <= rest[i] {
			rest[i] -= count[low]
			low++
		}
		if low == 1<<16 {
			return exact, fmt.Errorf("array: the data changed between two passes: %w", errdef.ErrChanged)
		}
		exact[i] = unrank(half[i]<<16 | low)
	}
	return exact, nil
}

// between interpolates as numpy does, from the nearer end.
func between(a, b float32, t float64) float32 {
	if a == b {
		return a
	}
	d := b - a
	if t >= 0.5 {
		return b - d*float32(1-t)
	}
	return a + d*float32(t)
}

// grayscale maps [low, high] to [0, 255] as Tiled 0.2.20 does: what lies
// outside is clipped, NaN and what has no scale (low equals high) are black.
func grayscale(dst []byte, values []float32, low, high float32) []byte {
	span := high - low
	for _, v := range values {
		scaled := (v - low) / span
		switch {
		case scaled >= 1:
			dst = append(dst, 255)
		case scaled > 0:
			dst = append(dst, byte(math.RoundToEven(float64(scaled*255))))
		default:
			dst = append(dst, 0)
		}
	}
	return dst
}
