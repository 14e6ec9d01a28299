// Package all lists the file formats that this binary reads.
package all

import (
	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/internal/formats/arrowfile"
	"github.com/terrazzo-data/terrazzo/internal/formats/csvfile"
	"github.com/terrazzo-data/terrazzo/internal/formats/excelfile"
	"github.com/terrazzo-data/terrazzo/internal/formats/imagefile"
	"github.com/terrazzo-data/terrazzo/internal/formats/netcdf3"
	"github.com/terrazzo-data/terrazzo/internal/formats/npy"
	"github.com/terrazzo-data/terrazzo/internal/formats/parquetfile"
	"github.com/terrazzo-data/terrazzo/internal/formats/sequence"
	"github.com/terrazzo-data/terrazzo/internal/formats/zarr"
)

// List returns the formats, each kind of file with the format that reads it.
// Those that this binary cannot read stand in the list too: their Kind says
// what is missing, and describing such a file is errdef.ErrUnsupported.
//
// To add a format, add a line.
func List() []adapter.Format { return With(nil) }

// With is List with the formats that are read in other processes: native makes
// the format of a kind, or returns nil if there is none.
func With(native func(adapter.Kind) adapter.Format) []adapter.Format {
	n := natives(native)
	return append([]adapter.Format{
		arrowfile.Format{},
		csvfile.Format{},
		excelfile.Format{},
		imagefile.JPEG{},
		sequence.Of(imagefile.JPEG{}),
		imagefile.PNG{},
		sequence.Of(imagefile.PNG{}),
		netcdf3.Format{Else: n.format("netcdf4", "NetCDF-4", "application/x-netcdf", ".nc")},
		npy.Format{},
		sequence.Of(npy.Format{}),
		parquetfile.Format{},
		zarr.New(),
	}, n.list()...)
}
