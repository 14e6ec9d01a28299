package all

import (
	"context"
	"fmt"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/sequence"
)

const why = "this version of Terrazzo does not read %s yet: it comes with the program terrazzo-host"

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

func lacks(name, title, mediaType string, extensions ...string) absent {
	return absent{adapter.Kind{
		Name: name, MediaType: mediaType, Extensions: extensions, Missing: fmt.Sprintf(why, title),
	}}
}

func missing() []adapter.Format {
	tiff := lacks("tiff", "TIFF", "image/tiff", ".tif", ".tiff")
	return []adapter.Format{
		lacks("hdf5", "HDF5", "application/x-hdf5", ".h5", ".hdf5", ".hdf", ".nxs", ".nx5"),
		tiff,
		sequence.Of(tiff),
	}
}
