package all

import (
	"context"
	"fmt"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/sequence"
)

const why = "%s is read by the program terrazzo-host, which is neither beside terrazzo nor in PATH, or was built without the library; install libhdf5-dev, libtiff-dev, libdeflate-dev and libblosc-dev and run make build"

// absent is a format that is known and cannot be read.
type absent struct{ kind adapter.Kind }

func (a absent) Kind() adapter.Kind { return a.kind }

// Describe says what is missing; the file is not opened.
func (a absent) Describe(_ context.Context, src adapter.Source, _ []string) (*adapter.Description, error) {
	return nil, fmt.Errorf("%s: %s: %w", src.Names()[0], a.kind.Missing, errdef.ErrUnsupported)
}

func (a absent) Open(src adapter.Source, _ []string, _ *adapter.Description) (any, error) {
	return nil, fmt.Errorf("%s: %s: %w", src.Names()[0], a.kind.Missing, errdef.ErrUnsupported)
}

// natives finds the formats that are read by C libraries in other processes; it
// may be nil.
type natives func(adapter.Kind) adapter.Format

// format is the one of that kind, or one that says what is missing.
func (n natives) format(name, title, mediaType string, extensions ...string) adapter.Format {
	kind := adapter.Kind{Name: name, MediaType: mediaType, Extensions: extensions}
	if n != nil {
		if f := n(kind); f != nil {
			return f
		}
	}
	kind.Missing = fmt.Sprintf(why, title)
	return absent{kind}
}

func (n natives) list() []adapter.Format {
	tiff := n.format("tiff", "TIFF", "image/tiff", ".tif", ".tiff")
	return []adapter.Format{
		n.format("hdf5", "HDF5", "application/x-hdf5", ".h5", ".hdf5", ".hdf", ".nxs", ".nx5"),
		tiff,
		sequence.Of(tiff),
	}
}
