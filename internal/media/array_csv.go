package media

import (
	"context"
	"io"
	"strings"

	"github.com/terrazzo-data/terrazzo/structure"
)

// arrayCSV is text/csv and its kin: numpy.savetxt with a comma, one row a line.
// A 1-d array has one element a line, as savetxt writes it; of a structured
// one that is one member a column. A scalar is one line.
type arrayCSV struct{}

func (arrayCSV) Version() int { return 1 }

func (arrayCSV) Plan(p Payload) (int64, error) {
	if err := p.Array.atMost(2, typeCSV); err != nil {
		return 0, err
	}
	return -1, p.Array.hollow(typeCSV)
}

func (arrayCSV) Encode(ctx context.Context, w io.Writer, p Payload) error {
	out := newSink(w)
	columns := int64(1)
	if len(p.Array.Shape) == 2 {
		columns = p.Array.Shape[1]
	}
	if columns == 0 {
		out.buf = append(out.buf, strings.Repeat("\n", int(p.Array.Shape[0]))...)
		return out.flush(ctx)
	}
	write := rowWriter(p.Array.Type, len(p.Array.Shape))
	column := int64(0)
	err := p.Array.each(ctx, func(item []byte) error {
		out.buf = write(out.buf, item)
		if column++; column < columns {
			out.buf = append(out.buf, ',')
		} else {
			out.buf = append(out.buf, '\n')
			column = 0
		}
		return out.room(ctx) // a row may be all of the array
	})
	if err != nil {
		return err
	}
	return out.flush(ctx)
}

// rowWriter writes an element as one cell, or a structured one of fewer than
// two axes as cells.
func rowWriter(t structure.DType, axes int) writer {
	if t.Fields == nil || axes > 1 {
		return writerOf(t, inText)
	}
	members := membersOf(t, inText)
	return func(dst, item []byte) []byte {
		for i, m := range members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = m.write(dst, item[m.from:m.to])
		}
		return dst
	}
}
