// SPDX-License-Identifier: BSD-3-Clause

package client

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Array is a node with an array's data.
type Array struct{ *Node }

// Shape is the extent of each axis; DataType is that of the elements. Both are
// read-only.
func (a *Array) Shape() []int64 { return a.ArrayStructure.Shape }

// DataType is the type of the elements.
func (a *Array) DataType() structure.DType { return a.ArrayStructure.DataType }

// Size is the array's size in bytes.
func (a *Array) Size() int64 { return elements(a.Shape()) * a.DataType().ItemSize }

// Block is a piece of an array.
type Block struct {
	// Index is the chunk's, if the block is one chunk or a part of it; else nil.
	Index []int64
	// Where says which elements of the array these are.
	Where ndslice.Selection
	// Shape is that of the piece, without the axes that an index dropped.
	Shape []int64
	// DataType is that of the elements, and Data the elements in C order, in the byte
	// order that it says. They are the caller's.
	DataType structure.DType
	Data     []byte
}

// Select settles a slice as numpy writes it without brackets ("::2, 5, -10:", "" for
// everything) against the array's shape. Errors are those of [ndslice.Parse] and
// [ndslice.Slice.Normalise].
func (a *Array) Select(slice string) (ndslice.Selection, error) {
	parsed, err := ndslice.Parse(strings.ReplaceAll(slice, " ", ""))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a, err)
	}
	sel, err := parsed.Normalise(a.Shape())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a, err)
	}
	return sel, nil
}

// ReadBytes reads a slice. More than [DefaultWindow] bytes are asked for in pieces
// along the array's chunks, several at a time.
func (a *Array) ReadBytes(ctx context.Context, slice string) (Block, error) {
	sel, err := a.Select(slice)
	if err != nil {
		return Block{}, err
	}
	size, err := a.sizeOf(sel)
	if err != nil {
		return Block{}, err
	}
	b := Block{Where: sel, Shape: sel.Shape(), DataType: a.DataType(), Data: make([]byte, size)}
	return b, a.readInto(ctx, sel, b.Data)
}

// maxRead bounds one read, in bytes.
const maxRead = 1 << 40

// sizeOf is the size of a selection in bytes, if memory may be allocated for it.
func (a *Array) sizeOf(sel ndslice.Selection) (int64, error) {
	item := a.DataType().ItemSize
	n := sel.Len()
	if item > 0 && n > maxRead/item {
		return 0, fmt.Errorf("%s: a selection of %d elements of %d bytes does not fit into memory; read Blocks: %w", a, n, item, errdef.ErrTooLarge)
	}
	return n * item, nil
}

// readInto reads a selection into out, which has its size.
func (a *Array) readInto(ctx context.Context, sel ndslice.Selection, out []byte) error {
	item := a.DataType().ItemSize
	if len(out) == 0 {
		return nil // servers fail on some empty slices, and there is nothing to ask for
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(a.client.parallel)
	at := int64(0)
	for window := range sel.Windows(item, a.client.window, a.grid()) {
		size := window.Len() * item
		piece := out[at : at+size : at+size]
		at += size
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return a.request(ctx, window, piece) })
	}
	return group.Wait()
}

// grid is the regular grid nearest to the chunks, for windows to be cut along.
func (a *Array) grid() ndslice.Grid {
	g := ndslice.Grid{Shape: a.Shape(), Block: make([]int64, len(a.Shape()))}
	for i, axis := range a.ArrayStructure.Chunks {
		g.Block[i] = 1
		for _, n := range axis {
			g.Block[i] = max(g.Block[i], n)
		}
	}
	return g
}

// request asks for one selection, with a body of exactly the size of out.
func (a *Array) request(ctx context.Context, sel ndslice.Selection, out []byte) error {
	params := url.Values{"expected_shape": {shapeText(sel.Shape())}}
	if !sel.IsAll(a.Shape()) {
		params.Set("slice", sel.String())
	}
	return a.fill(ctx, query{url: a.client.at("array/full", a.Path), params: params}, out)
}

func (a *Array) fill(ctx context.Context, q query, out []byte) error {
	q.accept, q.limit = "application/octet-stream", int64(len(out))
	q.take = func(_ http.Header, _ int, r io.Reader) error { return readExactly(r, out) }
	if err := a.client.do(ctx, q); err != nil {
		return fmt.Errorf("%s: %w", a, err)
	}
	return nil
}

// readExactly fills out and makes sure that nothing follows.
func readExactly(r io.Reader, out []byte) error {
	n, err := io.ReadFull(r, out)
	if err == io.ErrUnexpectedEOF || err == io.EOF && len(out) > 0 {
		return unprocessable("body of %d bytes, expected %d", n, len(out))
	}
	if err != nil {
		return err
	}
	var more [1]byte
	if n, err := r.Read(more[:]); n > 0 || err != nil && err != io.EOF { //nolint:errorlint // io.Reader's own
		if err == nil {
			err = unprocessable("body is longer than the %d bytes expected", len(out))
		}
		return err
	}
	return nil
}

func shapeText(shape []int64) string {
	if len(shape) == 0 {
		return "scalar"
	}
	parts := make([]string, len(shape))
	for i, n := range shape {
		parts[i] = strconv.FormatInt(n, 10)
	}
	return strings.Join(parts, ",")
}

// ReadBlock reads one chunk of those that the structure advertises. One that is not
// there is errdef.ErrUnprocessable.
func (a *Array) ReadBlock(ctx context.Context, index ...int64) (Block, error) {
	sel, err := ndslice.OfBlock(a.ArrayStructure.Chunks, index)
	if err != nil {
		return Block{}, fmt.Errorf("%s: %w", a, err)
	}
	size, err := a.sizeOf(sel)
	if err != nil {
		return Block{}, err
	}
	b := Block{Index: index, Where: sel, Shape: sel.Shape(), DataType: a.DataType(), Data: make([]byte, size)}
	if size == 0 {
		return b, nil
	}
	block := ""
	if len(index) > 0 {
		block = shapeText(index)
	}
	params := url.Values{"block": {block}, "expected_shape": {shapeText(b.Shape)}}
	return b, a.fill(ctx, query{url: a.client.at("array/block", a.Path), params: params}, b.Data)
}

// Blocks reads the chunks that a slice touches, one after another in C order of the
// chunks, some ahead of the one that is looked at. Of a chunk that the slice touches in
// part only that part is read. Axes are not dropped and steps must be 1: what else is
// errdef.ErrInvalid. The sequence ends after an error.
func (a *Array) Blocks(ctx context.Context, slice string) iter.Seq2[Block, error] {
	return func(yield func(Block, error) bool) {
		sel, err := a.Select(slice)
		if err != nil {
			yield(Block{}, err)
			return
		}
		for i := range sel {
			if sel[i].Index = false; sel[i].Step != 1 {
				yield(Block{}, fmt.Errorf("%s: blocks of a slice with steps: %w", a, errdef.ErrInvalid))
				return
			}
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		results := a.ahead(ctx, sel)
		for result := range results {
			r := <-result
			if !yield(r.block, r.err) || r.err != nil {
				cancel()
				for range results {
				}
				return
			}
		}
	}
}

type readBlock struct {
	block Block
	err   error
}

// ahead starts reads of chunks, as many as may run side by side, and hands on where
// their results will be, in order.
func (a *Array) ahead(ctx context.Context, sel ndslice.Selection) <-chan chan readBlock {
	results := make(chan chan readBlock, max(a.client.parallel-1, 0))
	go func() {
		defer close(results)
		for index := range a.touched(sel) {
			result := make(chan readBlock, 1)
			select {
			case results <- result:
			case <-ctx.Done():
				return
			}
			go func() {
				b, err := a.part(ctx, index, sel)
				result <- readBlock{b, err}
			}()
		}
	}()
	return results
}

// part reads what sel takes of a chunk.
func (a *Array) part(ctx context.Context, index []int64, sel ndslice.Selection) (Block, error) {
	chunk, err := ndslice.OfBlock(a.ArrayStructure.Chunks, index)
	if err != nil {
		return Block{}, err
	}
	where := make(ndslice.Selection, len(chunk))
	whole := true
	for i, axis := range chunk {
		start := max(axis.Start, sel[i].Start)
		stop := min(axis.Start+axis.Count, sel[i].Start+sel[i].Count)
		where[i] = ndslice.Axis{Start: start, Step: 1, Count: stop - start}
		whole = whole && where[i].Count == axis.Count
	}
	if whole {
		return a.ReadBlock(ctx, index...)
	}
	size, err := a.sizeOf(where)
	if err != nil {
		return Block{}, err
	}
	b := Block{Index: index, Where: where, Shape: where.Shape(), DataType: a.DataType(), Data: make([]byte, size)}
	return b, a.request(ctx, where, b.Data)
}

// touched yields the index of each chunk that sel takes something of, in C order.
func (a *Array) touched(sel ndslice.Selection) iter.Seq[[]int64] {
	return func(yield func([]int64) bool) {
		if sel.Len() == 0 {
			return
		}
		first, last := make([]int64, len(sel)), make([]int64, len(sel))
		for i, axis := range sel {
			first[i], last[i] = chunkRange(a.ArrayStructure.Chunks[i], axis.Start, axis.Start+axis.Count)
		}
		index := append([]int64{}, first...)
		for {
			if !yield(append([]int64{}, index...)) {
				return
			}
			axis := len(index) - 1
			for ; axis >= 0; axis-- {
				if index[axis]++; index[axis] <= last[axis] {
					break
				}
				index[axis] = first[axis]
			}
			if axis < 0 {
				return
			}
		}
	}
}

// chunkRange is the first and last of the chunks that meet [start, stop), not empty.
func chunkRange(chunks []int64, start, stop int64) (first, last int64) {
	first = -1
	at := int64(0)
	for i, n := range chunks {
		if n > 0 && at < stop && at+n > start {
			if first < 0 {
				first = int64(i)
			}
			last = int64(i)
		}
		at += n
	}
	return first, last
}
