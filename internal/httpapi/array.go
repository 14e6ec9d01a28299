package httpapi

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/internal/media"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// arrayFull answers GET /array/full/{path}: a slice of the whole array.
func (c *call) arrayFull() error {
	return c.twice(func() error {
		asked, err := c.slice()
		if err != nil {
			return err
		}
		n, array, err := c.array()
		if err != nil {
			return err
		}
		sel, err := asked.Normalise(n.desc.Array.Shape)
		if err != nil {
			return fmt.Errorf("parameter slice: %w", err)
		}
		return c.sendArray(n, array, sel, sel.Shape())
	})
}

// arrayBlock answers GET /array/block/{path}: one advertised chunk, or a
// slice of it.
func (c *call) arrayBlock() error {
	return c.twice(func() error {
		text, ok := c.one("block")
		if !ok {
			return c.parameter("block", "it is missing; expected one number for each axis, like block=0,1")
		}
		block, err := c.numbers("block", text)
		if err != nil {
			return err
		}
		asked, err := c.slice()
		if err != nil {
			return err
		}
		n, array, err := c.array()
		if err != nil {
			return err
		}
		chunk, err := ndslice.OfBlock(n.desc.Array.Chunks, block)
		if err != nil {
			return fmt.Errorf("parameter block: %w", err)
		}
		within, err := asked.Normalise(chunk.Shape())
		if err != nil {
			return c.parameter("slice", "%v", err)
		}
		sel := chunk.Compose(within)
		return c.sendArray(n, array, sel, sel.Shape())
	})
}

// array finds the node, which must be an array.
func (c *call) array() (node, adapter.Array, error) {
	n, err := c.lookup()
	if err != nil {
		return n, nil, err
	}
	array, ok := adapter.As[adapter.Array](n.adapter)
	if !ok || n.desc.Family != structure.FamilyArray {
		return n, nil, c.notFamily(n, structure.FamilyArray, structure.FamilySparse)
	}
	return n, array, nil
}

// limit refuses an answer that would be too large, before anything is read.
func (c *call) limit(size int64) error {
	if size > c.ResponseLimit {
		return invalid("Response would exceed %d. Use slicing ('?slice=...') to request smaller chunks", c.ResponseLimit)
	}
	return nil
}

// bytesOf is the size of so many elements; too many to say is MaxInt64.
func bytesOf(elements, item int64) int64 {
	if item > 0 && elements > (1<<62)/item {
		return 1 << 62
	}
	return elements * item
}

// sendArray answers with a selection: everything about the answer is settled
// from the structure and the version, and only then is anything read.
func (c *call) sendArray(n node, array adapter.Array, sel ndslice.Selection, shape []int64) error {
	if err := c.expectShape(shape); err != nil {
		return err
	}
	item := n.desc.Array.DataType.ItemSize
	size := bytesOf(sel.Len(), item)
	if err := c.limit(size); err != nil {
		return err
	}
	format, _ := c.one("format")
	choice, err := c.Media.Negotiate(n.desc.Family, n.desc.Specs, format, c.accept())
	if err != nil {
		return err
	}
	read := &arrayRead{source: array, desc: n.desc, sel: sel}
	payload := media.Payload{Params: choice.Params, Array: &media.Array{Type: n.desc.Array.DataType, Shape: shape}}
	planned, err := choice.Encoder.Plan(payload)
	if err != nil {
		return err
	}
	chosen, err := c.negotiateCoding(choice.MediaType, max(planned, size))
	if err != nil {
		return err
	}
	if read.version, err = array.Version(c.ctx, n.desc, sel); err != nil {
		return err
	}
	check := validate(read.version, "array", strings.Join(n.path, "/"), sel.String(), choice.ContentType, strconv.Itoa(choice.Encoder.Version()))
	if err := c.notModified(check, chosen.Tag(), c.accepts); err != nil {
		return err
	}
	return c.send(check, body{
		contentType: choice.ContentType, size: planned, typeSize: max(1, item), coding: chosen,
		encode: func(ctx context.Context, w io.Writer) error {
			data, release, err := c.arrayData(ctx, read, planned == size, size)
			if err != nil {
				return err
			}
			defer release()
			payload.Array.Data = data
			return choice.Encoder.Encode(ctx, w, payload)
		},
	})
}

// holdBytes is up to which size data are read once and held for an encoder
// that goes through them more than once.
const holdBytes = 32 << 20

// arrayData gives an encoder its data: once through the windows for one that
// writes them as they are; held in memory for others, if they are small.
func (c *call) arrayData(ctx context.Context, read *arrayRead, once bool, size int64) (iter.Seq2[[]byte, error], func(), error) {
	nothing := func() {}
	if once || size > holdBytes || size == 0 {
		return c.windows(ctx, read), nothing, nil
	}
	held, err := c.reserveLong(ctx, size+c.blocksOf(read))
	if err != nil {
		return nil, nothing, err
	}
	data, err := c.gather(ctx, read, read.sel, size)
	if err != nil {
		held.Release()
		return nil, nothing, err
	}
	held.Shrink(size)
	return func(yield func([]byte, error) bool) { yield(data, nil) }, held.Release, nil
}

// accept is the Accept field; all its lines count as one list.
func (c *call) accept() string { return strings.Join(c.r.Header.Values("Accept"), ",") }
