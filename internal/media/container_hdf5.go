package media

import (
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/document"
	"github.com/terrazzo-data/terrazzo/internal/hdf5"
	"github.com/terrazzo-data/terrazzo/structure"
)

// containerHDF5 is application/x-hdf5 of containers: groups, data sets, and
// metadata as attributes. Of an xarray data set, dataset, attributes are what
// "attrs" says; with dimensions it is netCDF-4.
//
// Everything is planned before it is read, and streamed. Metadata that fit no
// attribute are JSON in a text, where Tiled answers 406; text has any length,
// as h5py writes it; arrays of text are UTF-8, where Tiled answers 500.
type containerHDF5 struct{ dataset, dimensions bool }

func (containerHDF5) Version() int { return 1 }

func (e containerHDF5) Plan(p Payload) (int64, error) {
	f, err := e.file(p)
	if err != nil {
		return 0, err
	}
	return f.Size(), nil
}

func (e containerHDF5) Encode(ctx context.Context, w io.Writer, p Payload) error {
	f, err := e.file(p)
	if err != nil {
		return err
	}
	return f.Write(ctx, w)
}

func (e containerHDF5) file(p Payload) (*hdf5.File, error) {
	root, err := e.node("", p.Container, 0)
	if err != nil {
		return nil, err
	}
	if e.dimensions {
		if err := dimensions(root, p.Container); err != nil {
			return nil, err
		}
	}
	return hdf5.Plan(root)
}

// node is what a container, or an array in it, is in the file.
func (e containerHDF5) node(name string, c *Container, level int) (*hdf5.Node, error) {
	if level > maxLevels {
		return nil, fmt.Errorf("container: more than %d levels: %w", maxLevels, errdef.ErrUnprocessable)
	}
	metadata := c.Metadata
	if e.dataset {
		metadata, _ = c.Metadata["attrs"].(map[string]any)
	}
	attributes, err := hdf5.AttributesOf(metadata, func(v any) ([]byte, error) { return document.AppendJSON(nil, v) })
	if err != nil {
		return nil, err
	}
	n := &hdf5.Node{Name: name, Attributes: attributes}
	if a := c.Array; a != nil {
		n.Dataset = &hdf5.Dataset{
			Type: a.Type, Shape: a.Shape,
			Data: func(context.Context) iter.Seq2[[]byte, error] { return a.Data },
		}
		return n, nil
	}
	if c.Members == nil {
		return n, nil
	}
	for m, err := range c.Members {
		if err != nil {
			return nil, err
		}
		below, err := e.node(m.Key, &m.Container, level+1)
		if err != nil {
			return nil, err
		}
		n.Members = append(n.Members, below)
	}
	return n, nil
}

// dimensions names the axes of a data set's variables, and says which are
// coordinates: those that are no axes' own stand in an attribute, as xarray
// writes them (CF conventions 1.11, 5), of the variables that have all of their
// axes, or else of the whole.
func dimensions(root *hdf5.Node, c *Container) error {
	var dims [][]string
	var coordinates []Member
	for m, err := range c.Members {
		if err != nil {
			return err
		}
		if m.Array == nil || len(m.Dims) != len(m.Array.Shape) {
			return fmt.Errorf("data set: %.200q: is no array whose axes have names: %w", m.Key, errdef.ErrUnprocessable)
		}
		dims = append(dims, m.Dims)
		if t := m.Array.Type; t.Kind == 'S' && t.ItemSize > 1 && t.Fields == nil {
			// Bytes are characters along an axis of their own, as xarray has it.
			d := root.Members[len(dims)-1].Dataset
			d.Shape = append(slices.Clone(d.Shape), t.ItemSize)
			d.Type.ItemSize = 1
			dims[len(dims)-1] = append(slices.Clone(m.Dims), fmt.Sprintf("string%d", t.ItemSize))
		}
		axis := len(m.Dims) == 1 && m.Dims[0] == m.Key
		if !axis && isCoordinate(m) {
			coordinates = append(coordinates, m)
		}
	}
	left := map[string]bool{}
	for _, m := range coordinates {
		left[m.Key] = true
	}
	i := 0
	for m, err := range c.Members {
		if err != nil {
			return err
		}
		var names []string
		for _, of := range coordinates {
			if slices.ContainsFunc(of.Dims, func(d string) bool { return !slices.Contains(m.Dims, d) }) || isCoordinate(m) {
				continue
			}
			names = append(names, of.Key)
			delete(left, of.Key)
		}
		coordinate(root.Members[i], names)
		i++
	}
	coordinate(root, slices.Sorted(maps.Keys(left)))
	return hdf5.Dimensions(root, dims)
}

func isCoordinate(m Member) bool {
	return slices.ContainsFunc(m.Specs, func(s structure.Spec) bool { return s.Name == "xarray_coord" })
}

// coordinate adds the attribute, unless there is one.
func coordinate(n *hdf5.Node, names []string) {
	const name = "coordinates"
	if len(names) == 0 || slices.ContainsFunc(n.Attributes, func(a hdf5.Attribute) bool { return a.Name == name }) {
		return
	}
	n.Attributes = append(n.Attributes, hdf5.Attribute{Name: name, Texts: []string{strings.Join(names, " ")}})
}
