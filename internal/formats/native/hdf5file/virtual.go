//go:build native

package hdf5file

// #include <stdlib.h>
// #include "driver.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// virtual finds all files behind a virtual data set, before the library opens
// any of them: those it names, those that these name, and the first that is
// missing in a numbered row.
type virtual struct {
	ctx     context.Context //nolint:containedctx // of one job
	lib     *library
	src     adapter.Locator
	top     *file
	sources []sourceFile
	seen    map[[2]string]bool
}

const (
	maxNested  = 8       // virtual data sets made of virtual data sets
	maxSources = 100_000 // files, or numbered data sets, of one
)

// mapping is one part of a virtual data set.
type mapping struct {
	file, set   string
	start, stop []int64 // nil for what may grow
}

// virtual notes what a virtual data set is made of: tiles, or else whatever the
// library makes of it.
func (l *library) virtual(ctx context.Context, src adapter.Locator, o object, plist C.hid_t, n *notes) error {
	err := l.tiles(ctx, src, o, plist, n)
	if !errors.Is(err, errNoTiles) {
		return err
	}
	v := &virtual{ctx: ctx, lib: l, src: src, top: o.file}
	err = v.find(o, plist, 0)
	n.Sources = v.sources
	return err
}

// find goes through the mappings of o. Files that the request did not name are
// asked for all at once: the error comes at the end.
func (v *virtual) find(o object, plist C.hid_t, depth int) error {
	var count C.size_t
	if C.H5Pget_virtual_count(plist, &count) < 0 {
		return broken(o.file.place.Name + ": virtual data set")
	}
	if v.seen == nil {
		v.seen = make(map[[2]string]bool)
	}
	if depth > maxNested || count > maxSources {
		return fmt.Errorf("%s: a virtual data set of %d parts, %d deep: %w", o.file.place.Name, count, depth, errdef.ErrTooLarge)
	}
	var needed error
	for i := range count {
		m, err := mappingOf(plist, i)
		if err != nil {
			return err
		}
		if depth > 0 {
			m.start, m.stop = nil, nil
		}
		if err := v.mapping(o, m, depth); errors.Is(err, errdef.ErrUnavailable) {
			needed = err
		} else if err != nil {
			return err
		}
	}
	return needed
}

func mappingOf(plist C.hid_t, i C.size_t) (mapping, error) {
	var name [4096]C.char
	var m mapping
	if C.H5Pget_virtual_filename(plist, i, &name[0], 4095) < 0 {
		return m, broken("virtual data set")
	}
	m.file = C.GoString(&name[0])
	if C.H5Pget_virtual_dsetname(plist, i, &name[0], 4095) < 0 {
		return m, broken("virtual data set")
	}
	m.set = C.GoString(&name[0])
	space := C.H5Pget_virtual_vspace(plist, i)
	if space < 0 {
		return m, broken("virtual data set")
	}
	defer C.H5Sclose(space)
	var start, end [32]C.hsize_t
	rank := C.H5Sget_simple_extent_ndims(space)
	if C.H5Sget_select_npoints(space) < 0 || rank < 1 || C.H5Sget_select_bounds(space, &start[0], &end[0]) < 0 {
		_ = failure()
		return m, nil
	}
	for k := range rank {
		m.start = append(m.start, int64(start[k]))
		m.stop = append(m.stop, int64(end[k])+1)
	}
	return m, nil
}

// numbered puts a number in place of %<digits>b, as the library does. ok is
// false if there is no such place.
func numbered(pattern string, n int) (name string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '%' || i+1 == len(pattern) {
			b.WriteByte(pattern[i])
			continue
		}
		if pattern[i+1] == '%' {
			b.WriteByte('%')
			i++
			continue
		}
		end := i + 1
		for end < len(pattern) && pattern[end] >= '0' && pattern[end] <= '9' {
			end++
		}
		if end == len(pattern) || pattern[end] != 'b' {
			b.WriteByte('%')
			continue
		}
		b.WriteString(strconv.Itoa(n))
		i, ok = end, true
	}
	return b.String(), ok
}

// ahead is how many more files of a numbered row are asked for at a time.
const ahead = 32

func (v *virtual) mapping(o object, m mapping, depth int) error {
	_, files := numbered(m.file, 0)
	_, sets := numbered(m.set, 0)
	if !files {
		// Data sets in one file need not be counted: the file is asked for.
		file, _ := numbered(m.file, 0)
		return v.source(o, m, file, m.set, depth, sets)
	}
	var needed error
	missing := 0
	for n := range maxSources {
		file, _ := numbered(m.file, n)
		set, _ := numbered(m.set, n)
		err := v.source(o, m, file, set, depth, false)
		switch {
		case errors.Is(err, errdef.ErrUnavailable):
			needed = err
			if missing++; missing >= ahead {
				return needed
			}
		case errors.Is(err, errdef.ErrNotFound):
			return needed // the row ends before a file that is not there
		case err != nil:
			return err
		}
	}
	return fmt.Errorf("%s: a row of more than %d files: %w", o.file.place.Name, maxSources, errdef.ErrTooLarge)
}

// source notes one file and looks into it. What is not there is
// errdef.ErrNotFound for rows, and no error otherwise: it is fill values.
func (v *virtual) source(o object, m mapping, target, set string, depth int, many bool) error {
	if target == "." {
		return v.inside(o.file, set, depth, many)
	}
	place, err := v.src.Locate(v.ctx, o.file.place.Name, target)
	if err != nil {
		return err
	}
	v.top.allow(o.file.place, target, place)
	v.sources = append(v.sources, sourceFile{From: o.file.place.Name, Target: target, Name: place.Name, Start: m.start, Stop: m.stop})
	_, row := numbered(m.file, 0)
	if place.Stamp.Absent {
		if row {
			return fmt.Errorf("%s: %w", target, errdef.ErrNotFound)
		}
		return nil
	}
	key := [2]string{place.Name, set}
	if v.seen[key] {
		return nil
	}
	v.seen[key] = true
	f, err := v.lib.file(place)
	if err != nil {
		if errors.Is(err, errdef.ErrUnavailable) {
			err = fmt.Errorf("%w", &later{err})
		}
		return err
	}
	return v.inside(f, set, depth, many)
}

// later is an error of a source that is being written, which must not be taken
// for a file that has to be asked for.
type later struct{ err error }

func (l *later) Error() string { return l.err.Error() }
func (l *later) Unwrap() error { return errdef.ErrChanged }

// inside looks at a source data set: it must not lead the library to files
// that were not approved.
func (v *virtual) inside(f *file, set string, depth int, many bool) error {
	for n := range maxSources {
		name := set
		if many {
			name, _ = numbered(set, n)
		}
		err := v.one(f, name, depth)
		if errors.Is(err, errdef.ErrGone) {
			return nil // the library gives fill values
		}
		if err != nil || !many {
			return err
		}
	}
	return nil
}

func (v *virtual) one(f *file, set string, depth int) error {
	w := &walker{ctx: v.ctx, lib: v.lib, src: noLinks{v.src}}
	o, err := w.walk(f, steps(set, true))
	if err != nil {
		return err
	}
	defer o.close()
	if o.kind != 'd' {
		return nil
	}
	plist := C.H5Dget_create_plist(o.id)
	if plist < 0 {
		return broken(f.place.Name + ": " + set)
	}
	defer C.H5Pclose(plist)
	switch {
	case C.H5Pget_layout(plist) == C.H5D_VIRTUAL:
		return v.find(o, plist, depth+1)
	case C.H5Pget_external_count(plist) > 0:
		return fmt.Errorf("%s: %s: external storage behind a virtual data set: %w", f.place.Name, set, errdef.ErrUnsupported)
	}
	return nil
}

// noLinks refuses links to other files.
type noLinks struct{ adapter.Locator }

// Locate implements [adapter.Locator].
func (noLinks) Locate(_ context.Context, from, target string) (adapter.Place, error) {
	return adapter.Place{}, fmt.Errorf("%s: an external link to %s behind a virtual data set: %w", from, target, errdef.ErrUnsupported)
}

// undecided asks about the files that the library tried to open and nobody has
// decided about.
func (f *file) undecided(ctx context.Context, src adapter.Locator) error {
	var needed error
	for _, path := range f.lib.denied {
		place, err := src.Locate(ctx, f.place.Name, path)
		switch {
		case errors.Is(err, errdef.ErrUnavailable):
			needed = err
		case errors.Is(err, errdef.ErrForbidden):
			// The library looks in places of its own; there, nothing is.
			f.lib.allowed[path] = adapter.Place{Stamp: adapter.Stamp{Absent: true}}
		case err != nil:
			return err
		default:
			f.lib.allowed[path] = place
		}
	}
	f.lib.denied = nil
	return needed
}
