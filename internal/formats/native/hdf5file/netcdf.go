//go:build native

package hdf5file

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// NetCDF is the NetCDF-4 format: HDF5 files with the conventions of the netCDF
// library. [Format.NetCDF] makes one.
//
// A file is a container with the spec xarray_dataset, its variables arrays with
// named axes, as xarray.open_dataset gives them with mask_and_scale and
// decode_times switched off: fill values, scales and times are left to the
// client. Groups below the first are not part of the data set.
type NetCDF struct{ lib *library }

// NetCDF returns the format, which shares the library's thread with f.
func (f Format) NetCDF() NetCDF { return NetCDF(f) }

// Kind says which files are NetCDF-4 files.
func (f NetCDF) Kind() adapter.Kind {
	return adapter.Kind{
		Name: "netcdf4", MediaType: netcdfType, Extensions: []string{".nc"}, Reads: Format(f).Kind().Reads + " with the conventions of NetCDF-4",
	}
}

const netcdfType = "application/x-netcdf"

// Describe says what the file, or a variable of it, is. Errors are those of
// [Format.Describe].
func (f NetCDF) Describe(ctx context.Context, src adapter.Source, inside []string) (*adapter.Description, error) {
	locator, err := located(src)
	if err != nil {
		return nil, err
	}
	var d *adapter.Description
	_, err = f.lib.do(ctx, func() error {
		root, err := f.lib.find(ctx, locator, nil)
		if err != nil {
			return err
		}
		defer root.close()
		set, err := root.netcdf()
		if err != nil {
			return err
		}
		if len(inside) == 0 {
			d = set.describe()
			return nil
		}
		v := set.byName[inside[0]]
		if v == nil || len(inside) > 1 {
			return fmt.Errorf("%s: there is no variable %.60q: %w", root.file.place.Name, inside, errdef.ErrNotFound)
		}
		d, err = f.variable(ctx, locator, root, v)
		return err
	})
	return d, err
}

// Open returns a reader of a variable.
func (f NetCDF) Open(src adapter.Source, inside []string, d *adapter.Description) (any, error) {
	return Format(f).Open(src, inside, d)
}

// ncDataset is a file as xarray sees it.
type ncDataset struct {
	attrs     map[string]any
	variables []*ncVariable
	byName    map[string]*ncVariable
}

// ncVariable is one data set in it.
type ncVariable struct {
	name, stored string
	dims         []string
	// shape is that of its axes: it may be shorter itself along those that
	// grow. Nil if it is not.
	shape  []int64
	attrs  map[string]any
	chars  bool // one byte of text an element
	joined bool // the last axis is the length of texts
	truth  bool
	coord  bool
}

// hidden are attributes that belong to the conventions.
func hidden(name string) bool {
	switch name {
	case "CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "DIMENSION_LABELS", "_Netcdf4Dimid", "_Netcdf4Coordinates", "_NCProperties", "_nc3_strict":
		return true
	}
	return false
}

// visible are the other attributes; lists of one are the one, as all
// attributes in NetCDF are lists.
func visible(attrs map[string]any) map[string]any {
	out := make(map[string]any, len(attrs))
	for name, v := range attrs {
		if hidden(name) {
			continue
		}
		if list, ok := v.([]any); ok && len(list) == 1 {
			v = list[0]
		}
		out[name] = v
	}
	return out
}

const (
	notVariable = "This is a netCDF dimension but not a netCDF variable"
	nonCoord    = "_nc4_non_coord_"
)

// netcdf reads the conventions of a file, once while it is open.
func (o object) netcdf() (*ncDataset, error) {
	if o.file.netcdf != nil {
		return o.file.netcdf, nil
	}
	attrs, err := o.attributes()
	if err != nil {
		return nil, err
	}
	members, err := o.members()
	if err != nil {
		return nil, err
	}
	set := &ncDataset{attrs: visible(attrs), byName: make(map[string]*ncVariable)}
	dims := &ncDims{byID: make(map[int64]string), phony: make(map[int64][]string), length: make(map[string]int64)}
	var sizes [][]int64
	var raw []map[string]any
	for _, m := range members {
		if m.kind != 'h' {
			continue
		}
		v, shape, attrs, err := o.candidate(m.name)
		if err != nil {
			return nil, err
		}
		if attrs == nil {
			continue
		}
		if attrs["CLASS"] == "DIMENSION_SCALE" && len(shape) == 1 {
			dims.length[v.name] = shape[0]
		}
		if id, ok := attrs["_Netcdf4Dimid"].(int64); ok && attrs["CLASS"] == "DIMENSION_SCALE" {
			dims.byID[id] = v.name
		}
		if text, ok := attrs["NAME"].(string); ok && strings.HasPrefix(text, notVariable) {
			continue
		}
		set.variables, sizes, raw = append(set.variables, v), append(sizes, shape), append(raw, attrs)
		set.byName[v.name] = v
	}
	for i, v := range set.variables {
		v.dims = dims.of(v.name, sizes[i], raw[i])
		for k, dim := range v.dims {
			dims.length[dim] = max(dims.length[dim], sizes[i][k])
		}
	}
	for i, v := range set.variables {
		for _, dim := range v.dims {
			v.shape = append(v.shape, dims.length[dim])
		}
		if slices.Equal(v.shape, sizes[i]) {
			v.shape = nil
		}
	}
	set.finish()
	o.file.netcdf = set
	return set, nil
}

// candidate looks at one member of the group; attrs is nil if it is no data
// set.
func (o object) candidate(name string) (*ncVariable, []int64, map[string]any, error) {
	w := &walker{ctx: context.Background(), lib: o.file.lib}
	member, err := w.walk(o.file, []step{{name: name}})
	if err != nil {
		return nil, nil, nil, err
	}
	defer member.close()
	if member.kind != 'd' {
		return nil, nil, nil, nil
	}
	attrs, err := member.attributes()
	if err != nil {
		return nil, nil, nil, err
	}
	v := &ncVariable{name: strings.TrimPrefix(name, nonCoord), stored: name, attrs: visible(attrs)}
	s, err := openSet(member, true)
	if err != nil {
		return v, nil, attrs, nil //nolint:nilerr // reading it says why not
	}
	defer s.close()
	v.chars = s.element.text == "" && s.element.dtype.Kind == 'S' && s.element.dtype.ItemSize == 1
	v.truth = s.element.dtype.Kind == 'i' && s.element.dtype.ItemSize == 1 && v.attrs["dtype"] == "bool"
	return v, s.dims, attrs, nil
}

// ncDims names axes.
type ncDims struct {
	byID  map[int64]string
	phony map[int64][]string // by extent: those of files without named axes
	count int
	// length of each axis: that of the longest variable.
	length map[string]int64
}

func (n *ncDims) of(name string, shape []int64, attrs map[string]any) []string {
	out := make([]string, len(shape))
	list, _ := attrs["DIMENSION_LIST"].([]any)
	ids, _ := attrs["_Netcdf4Coordinates"].([]any)
	used := make(map[int64]int)
	for i := range shape {
		if i < len(list) {
			if refs, ok := list[i].([]any); ok && len(refs) > 0 {
				if target, ok := refs[0].(string); ok && target != "" {
					out[i] = strings.TrimPrefix(path.Base(target), nonCoord)
					continue
				}
			}
		}
		if i < len(ids) {
			if id, ok := ids[i].(int64); ok && n.byID[id] != "" {
				out[i] = n.byID[id]
				continue
			}
		}
		if attrs["CLASS"] == "DIMENSION_SCALE" && len(shape) == 1 {
			out[i] = name
			continue
		}
		// As the netCDF library does: one for each extent, more if a variable
		// has it more than once.
		k := used[shape[i]]
		used[shape[i]]++
		if k == len(n.phony[shape[i]]) {
			n.phony[shape[i]] = append(n.phony[shape[i]], fmt.Sprintf("phony_dim_%d", n.count))
			n.count++
		}
		out[i] = n.phony[shape[i]][k]
	}
	return out
}

// finish joins characters to texts and tells coordinates from data.
func (s *ncDataset) finish() {
	plain := make(map[string]bool) // axes that are not lengths of texts alone
	for _, v := range s.variables {
		plain[v.name] = true
		for i, dim := range v.dims {
			if !v.chars || i < len(v.dims)-1 {
				plain[dim] = true
			}
		}
	}
	for _, v := range s.variables {
		if last := len(v.dims) - 1; v.chars && last >= 0 && !plain[v.dims[last]] {
			v.joined, v.dims = true, v.dims[:last]
		}
		if v.truth {
			delete(v.attrs, "dtype")
		}
	}
	for _, v := range s.variables {
		v.coord = v.coord || len(v.dims) == 1 && v.dims[0] == v.name
		s.mark(v.attrs)
	}
	if _, ok := s.attrs["coordinates"].(string); ok {
		s.mark(s.attrs)
	}
}

// mark takes the attribute "coordinates" out of attrs: what it names are
// coordinates.
func (s *ncDataset) mark(attrs map[string]any) {
	text, ok := attrs["coordinates"].(string)
	if !ok {
		return
	}
	delete(attrs, "coordinates")
	for name := range strings.FieldsSeq(text) {
		if c := s.byName[name]; c != nil {
			c.coord = true
		}
	}
}

// describe is the whole: data before coordinates, as in Tiled.
func (s *ncDataset) describe() *adapter.Description {
	d := &adapter.Description{
		Family: structure.FamilyContainer, Keys: []string{}, Inline: true, Metadata: map[string]any{"attrs": s.attrs},
		Specs: []structure.Spec{{Name: "xarray_dataset"}}, MediaType: netcdfType,
	}
	for _, coord := range []bool{false, true} {
		for _, v := range s.variables {
			if v.coord == coord {
				d.Keys = append(d.Keys, v.name)
			}
		}
	}
	return d
}

// variable describes one variable.
func (f NetCDF) variable(ctx context.Context, src adapter.Locator, root object, v *ncVariable) (*adapter.Description, error) {
	w := &walker{ctx: ctx, lib: f.lib, src: src}
	o, err := w.walk(root.file, []step{{name: v.stored}})
	if err != nil {
		return nil, err
	}
	defer o.close()
	d, err := f.lib.dataset(ctx, src, o, notes{Native: true, Wide: true, Joined: v.joined, Padded: v.shape})
	if err != nil {
		return nil, err
	}
	if v.truth {
		d.Array.DataType.Kind = 'b'
	}
	d.Array.Dims = v.dims
	if len(d.Array.Shape) != len(v.dims) {
		return nil, fmt.Errorf("%s: %s: has %d axes and names for %d: %w", root.file.place.Name, v.name, len(d.Array.Shape), len(v.dims), errdef.ErrUnsupported)
	}
	spec := "xarray_data_var"
	if v.coord {
		spec = "xarray_coord"
	}
	d.Metadata, d.MediaType, d.Specs = map[string]any{"attrs": v.attrs}, netcdfType, []structure.Spec{{Name: spec}}
	return d, nil
}
