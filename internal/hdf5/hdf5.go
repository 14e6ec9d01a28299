// Package hdf5 writes HDF5 files from front to back, into anything that takes
// bytes. Where everything lies is planned from names, attributes, types and
// shapes; then the file is written in that order, and each data set is asked
// for its bytes when it is its turn. So the size is known before anything is
// read, and what is held does not grow with the data.
//
// What is written follows the HDF5 File Format Specification, version 3.0:
// superblock version 2 (II.A), object headers version 2 (IV.A.1.b) with links
// and attributes in them (IV.A.2.g, IV.A.2.m), data that lie in one piece
// (IV.A.2.i), texts of any length in global heaps (III.E). libhdf5 reads that
// since 1.8.
package hdf5

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Node is a group, or a data set, and what is known of it. It belongs to the
// file that it was planned in.
type Node struct {
	// Name is that in the group; it has no slash and is not ".".
	Name       string
	Attributes []Attribute
	// Dataset, if not nil, makes the node one. It has no members then.
	Dataset *Dataset
	Members []*Node

	at, size int64 // of its header
	data     int64 // where its elements lie
	bytes    int64 // of those
}

// Dataset is an array.
type Dataset struct {
	Type  structure.DType
	Shape []int64
	// Data yields the elements in C order, in the byte order of Type, a whole
	// number of them at a time; nil if there are none, and then they are zeros.
	// Those of kind U become UTF-8. It is asked for once.
	Data func(context.Context) iter.Seq2[[]byte, error]
}

// Attribute is a small value with a name: numbers, or texts.
type Attribute struct {
	Name string
	// Texts are UTF-8 of any length. If they are nil the value is Data, of
	// elements of Type; if that is nil too there is none, as h5py's Empty.
	Texts []string
	Type  structure.DType
	Data  []byte
	// Shape is nil for a single value.
	Shape []int64

	// targets are nodes that are referred to: one, or one for each place.
	targets []*Node
	listed  bool // each in a list of its own
	ended   bool // a text that ends with a NUL, by its type

	heap []place
}

// File is a file as it will be written.
type File struct {
	root  *Node
	nodes []*Node // in the order in which they lie
	heaps []*heap
	size  int64
}

const (
	superblockSize = 48
	undefined      = ^uint64(0)
	// maxMessage bounds one attribute: its length is two bytes.
	maxMessage = 65000
	maxName    = 4096
	maxNodes   = 100_000
	maxRank    = 32
	maxLevels  = 128
	// align is where elements begin.
	align = 8
)

// Plan says where everything lies. What HDF5 cannot hold (attributes over
// 64 KB that are no texts, more than 32 axes, elements without length, long
// double in unknown forms) is errdef.ErrNotAcceptable and named.
func Plan(root *Node) (*File, error) {
	f := &File{root: root}
	if err := f.collect(root, 0); err != nil {
		return nil, err
	}
	at := int64(superblockSize)
	for _, n := range f.nodes {
		f.fill(n)
		header, err := n.header()
		if err != nil {
			return nil, fmt.Errorf("hdf5: %.200q: %w", n.Name, err)
		}
		n.at, n.size = at, int64(len(header))
		at += n.size
	}
	for _, h := range f.heaps {
		h.at = at
		at += h.length()
	}
	for _, n := range f.nodes {
		if n.bytes == 0 {
			continue
		}
		at = (at + align - 1) / align * align
		if n.data = at; n.bytes > 1<<62-at {
			return nil, fmt.Errorf("hdf5: %.200q: more bytes than a file can have: %w", n.Name, errdef.ErrNotAcceptable)
		}
		at += n.bytes
	}
	f.size = at
	return f, nil
}

// Size is that of the file in bytes.
func (f *File) Size() int64 { return f.size }

// collect lists the nodes, a group before its members.
func (f *File) collect(n *Node, level int) error {
	if f.nodes = append(f.nodes, n); len(f.nodes) > maxNodes || level > maxLevels {
		return fmt.Errorf("hdf5: more than %d nodes or %d levels: %w", maxNodes, maxLevels, errdef.ErrNotAcceptable)
	}
	if d := n.Dataset; d != nil {
		if len(d.Shape) > maxRank {
			return fmt.Errorf("hdf5: %.200q: %d axes, at most %d can be written: %w", n.Name, len(d.Shape), maxRank, errdef.ErrNotAcceptable)
		}
		size, ok := structure.DataSize(d.Shape, d.Type.ItemSize)
		if !ok {
			return fmt.Errorf("hdf5: %.200q: more bytes than can be counted: %w", n.Name, errdef.ErrNotAcceptable)
		}
		if d.Data != nil {
			n.bytes = size
		}
		return nil
	}
	seen := make(map[string]bool, len(n.Members))
	for _, m := range n.Members {
		if m.Name == "" || m.Name == "." || strings.ContainsAny(m.Name, "/\x00") || len(m.Name) > maxName || seen[m.Name] {
			return fmt.Errorf("hdf5: %.200q: cannot be a name there: %w", m.Name, errdef.ErrNotAcceptable)
		}
		seen[m.Name] = true
		if err := f.collect(m, level+1); err != nil {
			return err
		}
	}
	return nil
}

// Write writes the file. It stops at the first error of a data set, of w and
// of ctx; a data set that gives other bytes than its shape says is
// errdef.ErrUnprocessable. A file is written once.
func (f *File) Write(ctx context.Context, w io.Writer) error {
	out := &counted{w: w}
	if err := out.write(f.superblock()); err != nil {
		return err
	}
	for _, n := range f.nodes {
		header, err := n.header()
		if err != nil {
			return err
		}
		if err := out.write(header); err != nil {
			return err
		}
	}
	for _, h := range f.heaps {
		if err := out.write(h.encode()); err != nil {
			return err
		}
	}
	for _, n := range f.nodes {
		if n.bytes == 0 {
			continue
		}
		if err := out.write(make([]byte, n.data-out.n)); err != nil {
			return err
		}
		if err := n.write(ctx, out); err != nil {
			return err
		}
	}
	return nil
}

// write writes the elements.
func (n *Node) write(ctx context.Context, out *counted) error {
	end := out.n + n.bytes
	for piece, err := range n.Dataset.Data(ctx) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if int64(len(piece)) > end-out.n {
			return fmt.Errorf("hdf5: %.200q: gave more bytes than its shape says: %w", n.Name, errdef.ErrUnprocessable)
		}
		if err := out.write(stored(n.Dataset.Type, piece)); err != nil {
			return err
		}
	}
	if out.n != end {
		return fmt.Errorf("hdf5: %.200q: gave %d bytes fewer than its shape says: %w", n.Name, end-out.n, errdef.ErrUnprocessable)
	}
	return nil
}

// counted knows how much was written.
type counted struct {
	w io.Writer
	n int64
}

func (c *counted) write(b []byte) error {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return err
}

// superblock is that of version 2 (II.A).
func (f *File) superblock() []byte {
	b := append([]byte("\x89HDF\r\n\x1a\n"), 2, 8, 8, 0)
	b = u64(b, 0)
	b = u64(b, undefined)
	b = u64(b, uint64(f.size))    //nolint:gosec // not negative
	b = u64(b, uint64(f.root.at)) //nolint:gosec // not negative
	return checked(b)
}

func u16(b []byte, v int) []byte    { return binary.LittleEndian.AppendUint16(b, uint16(v)) } //nolint:gosec // bounded by the caller
func u32(b []byte, v int64) []byte  { return binary.LittleEndian.AppendUint32(b, uint32(v)) } //nolint:gosec // bounded by the caller
func u64(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }
