package demo

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// detector is a stack of 60 frames with rings that move outwards.
func detector() adapter.Adapter {
	t := structure.DType{Kind: 'u', ItemSize: 2, Endianness: structure.Little}
	metadata := map[string]any{"detector": "rings", "exposure": 0.1, "unit": "counts"}
	return newArray("detector", t, []int64{60, 512, 512}, []int64{4, 512, 512}, []string{"frame", "y", "x"}, metadata, func(out []byte, at []int64) {
		y, x := float64(at[1]-256), float64(at[2]-256)
		ring := math.Cos(math.Hypot(x, y)/9 - float64(at[0])/4)
		binary.LittleEndian.PutUint16(out, uint16(2000*math.Exp(-(x*x+y*y)/60000)*(1+ring)))
	})
}

// image is a photograph of nothing in colour.
func image() adapter.Adapter {
	t := structure.DType{Kind: 'u', ItemSize: 1, Endianness: structure.NotApplicable}
	return newArray("image", t, []int64{240, 320, 3}, []int64{240, 320, 3}, nil, map[string]any{"colour": "gradient"}, func(out []byte, at []int64) {
		switch at[2] {
		case 0:
			out[0] = byte(at[0])
		case 1:
			out[0] = byte(at[1] * 255 / 320)
		default:
			out[0] = byte(255 - (at[0]+at[1])*255/560)
		}
	})
}

// line is a damped oscillation.
func line() adapter.Adapter {
	t := structure.DType{Kind: 'f', ItemSize: 8, Endianness: structure.Little}
	return newArray("line", t, []int64{2000}, []int64{2000}, []string{"time"}, map[string]any{"unit": "V"}, func(out []byte, at []int64) {
		x := float64(at[0]) / 100
		binary.LittleEndian.PutUint64(out, math.Float64bits(math.Exp(-x/8)*math.Sin(3*x)))
	})
}

// table is the table of spectra, in partitions that are computed when read.
type table struct {
	desc    *adapter.Description
	version adapter.Version
}

const (
	spectraRows       = 3000
	spectraPartitions = 3
)

func spectra() adapter.Adapter {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "energy", Type: arrow.PrimitiveTypes.Float64},
		{Name: "counts", Type: arrow.PrimitiveTypes.Int64},
		{Name: "edge", Type: arrow.BinaryTypes.String},
	}, nil)
	d := &adapter.Description{
		Family: structure.FamilyTable, MediaType: "application/vnd.apache.arrow.file",
		Metadata: map[string]any{"element": "Ni", "unit": "eV"},
		Table:    &structure.Table{Schema: schema, NPartitions: spectraPartitions},
	}
	for range spectraPartitions {
		rows := int64(spectraRows / spectraPartitions)
		d.Partitions = append(d.Partitions, adapter.Partition{Rows: rows, ColumnBytes: []int64{8 * rows, 8 * rows, 8 * rows}})
	}
	return &table{desc: d, version: version("table spectra")}
}

func (t *table) Describe(context.Context) (*adapter.Description, adapter.Version, error) {
	return t.desc, t.version, nil
}

func (t *table) Version(context.Context, *adapter.Description, []int) (adapter.Version, error) {
	return t.version, nil
}

func (t *table) PartitionID(v adapter.Version, _ int) adapter.BlockID {
	return adapter.BlockID{ID: v.ID, Trusted: true}
}

// ReadColumns computes the columns asked for.
func (t *table) ReadColumns(_ context.Context, _ adapter.Version, partition int, columns []int) (adapter.Columns, error) {
	if partition < 0 || partition >= spectraPartitions {
		return adapter.Columns{}, fmt.Errorf("demo: partition %d: %w", partition, errdef.ErrNotFound)
	}
	rows := t.desc.Partitions[partition].Rows
	out := adapter.Columns{Rows: rows}
	for _, col := range columns {
		out.Arrays = append(out.Arrays, spectrum(col, int64(partition)*rows, rows))
	}
	return out, nil
}

// spectrum is one column of the rows from first on.
func spectrum(column int, first, rows int64) arrow.Array {
	const edge = 8333.0
	energy := func(row int64) float64 { return 8000 + float64(row)/4 }
	switch column {
	case 0:
		b := array.NewFloat64Builder(memory.DefaultAllocator)
		for row := first; row < first+rows; row++ {
			b.Append(energy(row))
		}
		return b.NewArray()
	case 1:
		b := array.NewInt64Builder(memory.DefaultAllocator)
		for row := first; row < first+rows; row++ {
			e := energy(row) - edge
			b.Append(int64(1e5 * (0.2 + 1/(1+math.Exp(-e/3))*(1+0.1*math.Exp(-math.Max(e, 0)/60)*math.Cos(e/9)))))
		}
		return b.NewArray()
	default:
		b := array.NewStringBuilder(memory.DefaultAllocator)
		for row := first; row < first+rows; row++ {
			b.Append(map[bool]string{false: "before", true: "above"}[energy(row) >= edge])
		}
		return b.NewArray()
	}
}
