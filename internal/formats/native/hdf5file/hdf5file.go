//go:build native

package hdf5file

// #include "driver.h"
import "C"

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Format is the HDF5 format. [New] makes one.
type Format struct{ lib *library }

// New returns the format, with a thread for the library that is never given
// up. A program makes one.
func New() Format { return Format{newLibrary()} }

// Kind says which files are HDF5 files.
func (Format) Kind() adapter.Kind {
	var major, minor, release C.uint
	C.H5get_libversion(&major, &minor, &release)
	return adapter.Kind{
		Name: "hdf5", MediaType: "application/x-hdf5", Extensions: []string{".h5", ".hdf5", ".hdf", ".nxs", ".nx5"},
		Reads: fmt.Sprintf("libhdf5 %d.%d.%d", major, minor, release),
	}
}

// Describe says what lies at a place in the file: a group is a container with
// its attributes as metadata, a data set an array. Links are followed; to where
// nothing is, they are errdef.ErrGone.
//
// Other errors: errdef.ErrUnsupported for types that no array can have, by
// name; ErrForbidden for what lies in a file outside the wall; ErrUnavailable
// for a file that is being written without SWMR.
func (f Format) Describe(ctx context.Context, src adapter.Source, inside []string) (*adapter.Description, error) {
	locator, err := located(src)
	if err != nil {
		return nil, err
	}
	var d *adapter.Description
	_, err = f.lib.do(ctx, func() error {
		o, err := f.lib.find(ctx, locator, inside)
		if err != nil {
			return err
		}
		defer o.close()
		switch o.kind {
		case 'g':
			d, err = o.group()
		case 'd':
			d, err = f.lib.dataset(ctx, locator, o, notes{})
		default:
			err = fmt.Errorf("%s: a named data type is no member: %w", o.file.place.Name, errdef.ErrNotFound)
		}
		return err
	})
	if err != nil && len(inside) > 0 {
		err = fmt.Errorf("/%s: %w", strings.Join(inside, "/"), err)
	}
	return d, err
}

func located(src adapter.Source) (adapter.Locator, error) {
	locator, ok := src.(adapter.Locator)
	if !ok {
		return nil, fmt.Errorf("%s: HDF5 files are read where they lie: %w", src.Names()[0], errdef.ErrUnsupported)
	}
	return locator, nil
}

// group describes a group. Named data types are no members.
func (o object) group() (*adapter.Description, error) {
	members, err := o.members()
	if err != nil {
		return nil, err
	}
	d := &adapter.Description{Family: structure.FamilyContainer, Keys: make([]string, 0, len(members)), Inline: true, MediaType: mediaType}
	for _, m := range members {
		if m.kind != 't' {
			d.Keys = append(d.Keys, keyOf(m.name))
		}
	}
	d.Metadata, err = o.attributes()
	return d, err
}

const mediaType = "application/x-hdf5"

// Open returns a reader of what was described.
func (f Format) Open(src adapter.Source, _ []string, d *adapter.Description) (any, error) {
	if d.Family != structure.FamilyArray {
		return nil, nil //nolint:nilnil // a container has no reader
	}
	r := &reader{lib: f.lib, src: src, grid: d.Grid, dtype: d.Array.DataType}
	if err := json.Unmarshal(d.Notes, &r.notes); err != nil {
		return nil, fmt.Errorf("%s: the description's notes do not parse: %w", src.Names()[0], errdef.ErrUnprocessable)
	}
	if r.notes.Prints {
		return printed{r}, nil
	}
	return r, nil
}

// keyOf is the name of a member as a key. One that is not UTF-8 has %XX for the
// bytes that are not, and for the percent sign.
func keyOf(name string) string {
	if utf8.ValidString(name) {
		return name
	}
	var b strings.Builder
	for len(name) > 0 {
		r, n := utf8.DecodeRuneInString(name)
		if r == '%' || r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, "%%%02X", name[0])
		} else {
			b.WriteString(name[:n])
		}
		name = name[n:]
	}
	return b.String()
}

// nameOf is the other name that a key may stand for.
func nameOf(key string) (string, bool) {
	name, err := url.PathUnescape(key)
	return name, err == nil && !utf8.ValidString(name)
}
