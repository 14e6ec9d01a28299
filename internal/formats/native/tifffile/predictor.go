//go:build native

package tifffile

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/tiffmeta"
)

// Predictors (TIFF 6.0, section 14, and Adobe's technical note 3).
const (
	predictHorizontal = 2
	predictFloat      = 3
)

// predicts says whether libtiff undoes the predictor of a page itself, as it
// does for some compressions alone.
func predicts(l *tiffmeta.Layout) bool {
	switch l.Compression {
	case 5, 8, 32946, 34925, 50000: // LZW, deflate twice, LZMA, Zstandard
		return true
	}
	return l.Predictor == 1
}

// unpredict undoes a predictor on rows of bytes as they are in the file, and
// leaves little-endian samples.
func unpredict(data []byte, l *tiffmeta.Layout, order binary.ByteOrder) error {
	size, samples := int(l.Bits/8), int(l.PartSamples())
	row := int(l.RowBytes())
	if l.Bits%8 != 0 || size > 8 || l.Format == 6 || l.Predictor != predictHorizontal && l.Predictor != predictFloat {
		return fmt.Errorf("the predictor %d of %d bits with the compression %d: %w", l.Predictor, l.Bits, l.Compression, errdef.ErrUnsupported)
	}
	held := make([]byte, row)
	for ; len(data) >= row; data = data[row:] {
		line := data[:row]
		if l.Predictor == predictFloat {
			for i := samples; i < row; i++ {
				line[i] += line[i-samples]
			}
			n := row / size
			copy(held, line)
			for i := range row { // the highest bytes of all come first
				line[i%n*size+size-1-i/n] = held[i]
			}
			continue
		}
		if order == binary.BigEndian {
			for i := 0; i < row; i += size {
				slices.Reverse(line[i : i+size])
			}
		}
		for i := samples * size; i < row; i += size {
			carry := 0
			for b := range size {
				carry += int(line[i+b]) + int(line[i-samples*size+b])
				line[i+b] = byte(carry)
				carry >>= 8
			}
		}
	}
	return nil
}
