// Package netcdf3 reads classic NetCDF files: CDF-1, CDF-2 (64-bit offsets)
// and CDF-5 (64-bit data), as the NetCDF file format specification has them.
//
// # A file is a data set
//
// A file is a container with the spec xarray_dataset, and each variable in it
// an array with the spec xarray_coord or xarray_data_var, named axes and its
// attributes under "attrs": what xarray.open_dataset gives with mask_and_scale
// and decode_times switched off. Fill values, scales, offsets and times are
// left to the client, as attributes: xarray.decode_cf completes them. Text is
// joined along its last axis unless something else uses that axis, and bytes
// marked as bool are bool, as xarray does it.
//
// Files of the same name that are HDF5 inside (NetCDF-4) are for another
// format, [Format.Else].
package netcdf3

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Format is the NetCDF format. Its zero value reads classic files.
type Format struct {
	// Else, if set, is the format of files that do not begin as classic
	// NetCDF files do.
	Else adapter.Format
}

// Kind says which files are NetCDF files.
func (Format) Kind() adapter.Kind {
	return adapter.Kind{
		Name: "netcdf", MediaType: "application/x-netcdf", Extensions: []string{".nc", ".nc3", ".nc4"},
		Reads: "Terrazzo's own, pure Go (NetCDF-3: CDF-1, CDF-2, CDF-5)",
	}
}

// Describe reads the header. The whole is a container that is sent with its
// members; a member is an array, advertised as one chunk. A file that is cut
// off or contradicts itself is errdef.ErrUnprocessable, a header of more than
// 64 MiB or an array of more than 64 axes errdef.ErrUnsupported.
func (f Format) Describe(ctx context.Context, src adapter.Source, inside []string) (*adapter.Description, error) {
	name := src.Names()[0]
	file, err := src.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	classic, err := begins(file)
	if err != nil {
		return nil, fmt.Errorf("netcdf %s: %w", name, err)
	}
	if !classic && f.Else != nil {
		return f.Else.Describe(ctx, src, inside)
	}
	h, err := readHeader(file)
	if err != nil {
		return nil, fmt.Errorf("netcdf %s: %w", name, err)
	}
	set := newDataset(h)
	switch {
	case len(inside) == 0:
		return set.describe()
	case len(inside) == 1 && set.byName[inside[0]] != nil:
		d, err := set.describeVariable(set.byName[inside[0]])
		if err != nil {
			return nil, fmt.Errorf("netcdf %s: variable %.40q: %w", name, inside[0], err)
		}
		return d, nil
	default:
		return nil, fmt.Errorf("netcdf %s: has no member %.80q: %w", name, inside, errdef.ErrNotFound)
	}
}

// Open returns a reader of a variable, nil for the whole. Notes that do not
// parse are errdef.ErrUnprocessable.
func (f Format) Open(src adapter.Source, inside []string, d *adapter.Description) (any, error) {
	var n notes
	err := json.Unmarshal(d.Notes, &n)
	if (err != nil || n.Classic == 0) && f.Else != nil {
		return f.Else.Open(src, inside, d)
	}
	name := src.Names()[0]
	if err != nil || !n.valid(d) {
		return nil, fmt.Errorf("netcdf %s: the description's notes do not parse: %w", name, errdef.ErrUnprocessable)
	}
	if d.Family == structure.FamilyContainer {
		return nil, nil
	}
	return &reader{src: src, name: name, grid: d.Grid, dtype: d.Array.DataType, notes: n}, nil
}

// notes is what reading needs of the header.
type notes struct {
	// Classic is the version byte of the file.
	Classic byte `json:"classic"`
	// Offset is where the first element lies.
	Offset int64 `json:"offset,omitempty"`
	// Stride is from one record to the next, 0 for variables without records.
	Stride int64 `json:"stride,omitempty"`
}

// valid says whether the notes may belong to d.
func (n notes) valid(d *adapter.Description) bool {
	if n.Classic == 0 || n.Offset < 0 || n.Stride < 0 {
		return false
	}
	if d.Family == structure.FamilyContainer {
		return true
	}
	return d.Array != nil && (n.Stride == 0 || len(d.Grid.Shape) > 0)
}

// describe is the description of the whole file.
func (s *dataset) describe() (*adapter.Description, error) {
	note, err := json.Marshal(notes{Classic: s.version})
	if err != nil {
		return nil, err
	}
	return &adapter.Description{
		Family: structure.FamilyContainer, Keys: s.keys(), Inline: true,
		Metadata:  map[string]any{"attrs": s.attrs},
		Specs:     []structure.Spec{{Name: "xarray_dataset"}},
		MediaType: Format{}.Kind().MediaType,
		Notes:     note,
	}, nil
}

// describeVariable is the description of one variable.
func (s *dataset) describeVariable(v *member) (*adapter.Description, error) {
	if len(v.shape) > maxAxes {
		return nil, fmt.Errorf("%d axes, at most %d can be served: %w", len(v.shape), maxAxes, errdef.ErrUnsupported)
	}
	note := notes{Classic: s.version, Offset: v.begin}
	if v.record {
		note.Stride = s.stride
	}
	text, err := json.Marshal(note)
	if err != nil {
		return nil, err
	}
	spec := "xarray_data_var"
	if v.coord {
		spec = "xarray_coord"
	}
	return &adapter.Description{
		Family: structure.FamilyArray,
		Array: &structure.Array{
			DataType: v.dtype, Shape: v.shape, Dims: v.dims, Chunks: structure.RegularChunks(v.shape, v.shape),
		},
		Grid:      ndslice.Grid{Shape: v.shape, Block: blockShape(v.shape, v.dtype.ItemSize, note.Stride)},
		Metadata:  map[string]any{"attrs": v.attrs},
		Specs:     []structure.Spec{{Name: spec}},
		MediaType: Format{}.Kind().MediaType,
		Notes:     text,
	}, nil
}
