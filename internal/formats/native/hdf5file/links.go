//go:build native

package hdf5file

// #include <stdlib.h>
// #include "driver.h"
import "C"

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"unsafe"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// object is an open group or data set.
type object struct {
	file *file
	id   C.hid_t
	kind byte // 'g' or 'd'; 't' for a named data type
	addr uint64
}

func (o object) close() {
	o.file.pins--
	C.H5Oclose(o.id)
}

// step is one name of a path, and whether a link named it.
type step struct {
	name   string
	linked bool
}

func steps(path string, linked bool) []step {
	var out []step
	for name := range strings.SplitSeq(path, "/") {
		if name != "" && name != "." {
			out = append(out, step{name, linked})
		}
	}
	return out
}

// maxHops is how many links one path may lead through.
const maxHops = 40

// walker follows paths, links to other files included. Whatever file it comes
// by is located first.
type walker struct {
	ctx  context.Context //nolint:containedctx // of one job
	lib  *library
	src  adapter.Locator
	hops int
}

// find opens what lies under the names in the item's file. What is not there is
// errdef.ErrNotFound, and ErrGone if a link names it.
func (l *library) find(ctx context.Context, src adapter.Locator, inside []string) (object, error) {
	place, err := src.Locate(ctx, "", src.Names()[0])
	if err != nil {
		return object{}, err
	}
	f, err := l.file(place)
	if err != nil {
		return object{}, err
	}
	path := make([]step, len(inside))
	for i, name := range inside {
		if name == "" || name == "." || strings.ContainsAny(name, "/\x00") {
			return object{}, fmt.Errorf("%s: there is no member %.60q: %w", place.Name, name, errdef.ErrNotFound)
		}
		path[i] = step{name: name}
	}
	w := &walker{ctx: ctx, lib: l, src: src}
	return w.walk(f, path)
}

// object takes over an id that was opened in the file, unless it is an error.
// The file stays open until the object is closed.
func (f *file) object(id C.hid_t, what string) (object, error) {
	if id < 0 {
		return object{}, broken(f.place.Name + ": " + what)
	}
	var kind C.int
	var addr C.uint64_t
	if C.tz_object_info(id, &kind, &addr) < 0 {
		err := broken(f.place.Name + ": " + what)
		C.H5Oclose(id)
		return object{}, err
	}
	f.pins++
	return object{file: f, id: id, kind: byte(kind), addr: uint64(addr)}, nil
}

func (f *file) root() (object, error) {
	name := C.CString("/")
	defer C.free(unsafe.Pointer(name))
	return f.object(C.H5Oopen(f.id, name, C.H5P_DEFAULT), "/")
}

func (w *walker) walk(f *file, path []step) (object, error) {
	at, err := f.root()
	if err != nil {
		return object{}, err
	}
	for len(path) > 0 {
		if err := w.ctx.Err(); err != nil {
			at.close()
			return object{}, err
		}
		next, rest, err := w.step(at, path[0], path[1:])
		at.close()
		if err != nil {
			return object{}, err
		}
		at, path = next, rest
	}
	return at, nil
}

// step goes one name further, or to where a link leads; rest is what is left
// of the path then.
func (w *walker) step(at object, s step, rest []step) (object, []step, error) {
	missing := func() error {
		if s.linked {
			return fmt.Errorf("%s: a link leads to %.200q, which is not there: %w", at.file.place.Name, s.name, errdef.ErrGone)
		}
		return fmt.Errorf("%s: there is no member %.200q: %w", at.file.place.Name, s.name, errdef.ErrNotFound)
	}
	if at.kind != 'g' {
		return object{}, nil, missing()
	}
	name := at.called(s.name)
	if name == nil {
		return object{}, nil, missing()
	}
	defer C.free(unsafe.Pointer(name))
	var info C.H5L_info_t
	if C.H5Lget_info(at.id, name, &info, C.H5P_DEFAULT) < 0 {
		return object{}, nil, broken(at.file.place.Name + ": link " + s.name)
	}
	switch info._type {
	case C.H5L_TYPE_HARD:
		next, err := at.file.object(C.H5Oopen(at.id, name, C.H5P_DEFAULT), s.name)
		return next, rest, err
	case C.H5L_TYPE_SOFT, C.H5L_TYPE_EXTERNAL:
	default:
		return object{}, nil, fmt.Errorf("%s: %s: a link of kind %d is not known: %w", at.file.place.Name, s.name, info._type, errdef.ErrUnsupported)
	}
	if w.hops++; w.hops > maxHops {
		return object{}, nil, fmt.Errorf("%s: %s: links that lead to each other: %w", at.file.place.Name, s.name, errdef.ErrGone)
	}
	value, err := at.linkValue(name, info)
	if err != nil {
		return object{}, nil, err
	}
	if info._type == C.H5L_TYPE_EXTERNAL {
		return w.outside(at, value, rest)
	}
	target := string(bytes.TrimRight(value, "\x00"))
	rest = append(steps(target, true), rest...)
	if strings.HasPrefix(target, "/") {
		next, err := at.file.root()
		return next, rest, err
	}
	next, err := at.file.object(C.tz_open_address(at.file.id, C.uint64_t(at.addr)), s.name)
	return next, rest, err
}

// called is the name of a member as the file has it, or nil if there is none. The
// caller frees it.
func (o object) called(key string) *C.char {
	names := []string{key}
	if other, ok := nameOf(key); ok {
		names = append(names, other)
	}
	for _, each := range names {
		name := C.CString(each)
		if C.H5Lexists(o.id, name, C.H5P_DEFAULT) > 0 {
			return name
		}
		_ = failure()
		C.free(unsafe.Pointer(name))
	}
	return nil
}

// maxLink bounds the value of a link.
const maxLink = 1 << 16

// linkValue reads where a link leads. The kind of link is info's.
func (o object) linkValue(name *C.char, info C.H5L_info_t) ([]byte, error) {
	size := *(*C.size_t)(unsafe.Pointer(&info.u))
	if size == 0 || size > maxLink {
		return nil, fmt.Errorf("%s: a link of %d bytes: %w", o.file.place.Name, size, errdef.ErrUnprocessable)
	}
	value := make([]byte, size)
	if C.H5Lget_val(o.id, name, unsafe.Pointer(&value[0]), size, C.H5P_DEFAULT) < 0 {
		return nil, broken(o.file.place.Name + ": " + C.GoString(name))
	}
	return value, nil
}

// outside goes on in another file. The value of such a link is a byte of flags,
// the file's name and the path in it, each ended by a NUL.
func (w *walker) outside(at object, value []byte, rest []step) (object, []step, error) {
	parts := bytes.SplitN(value[1:], []byte{0}, 3)
	if len(parts) < 2 {
		return object{}, nil, fmt.Errorf("%s: an external link that makes no sense: %w", at.file.place.Name, errdef.ErrUnprocessable)
	}
	target := string(parts[0])
	place, err := w.src.Locate(w.ctx, at.file.place.Name, target)
	if err != nil {
		return object{}, nil, err
	}
	if place.Stamp.Absent {
		return object{}, nil, fmt.Errorf("%s: an external link leads to the file %s, which is not there: %w", at.file.place.Name, target, errdef.ErrGone)
	}
	f, err := w.lib.file(place)
	if err != nil {
		return object{}, nil, err
	}
	next, err := f.root()
	return next, append(steps(string(parts[1]), true), rest...), err
}

// member is a link in a group.
type member struct {
	kind byte // 'h', 's', 'e', 'u', or 't' for a named data type
	name string
}

// maxKinds bounds the members of one group whose kinds are looked at.
const maxKinds = 10_000

// members lists a group in the order that h5py gives: of creation where that is
// kept, else of names.
func (o object) members() ([]member, error) {
	var count C.H5G_info_t
	if C.H5Gget_info(o.id, &count) < 0 {
		return nil, broken(o.file.place.Name + ": group")
	}
	kinds := C.int(0)
	if count.nlinks <= maxKinds {
		kinds = 1
	}
	var names *C.char
	var size C.size_t
	n := C.tz_members(o.id, C.tz_creation_order(o.id), kinds, &names, &size)
	if n < 0 {
		return nil, broken(o.file.place.Name + ": group")
	}
	defer C.free(unsafe.Pointer(names))
	out := make([]member, 0, n)
	for _, each := range split(names, size) {
		out = append(out, member{each[0], string(each[1:])})
	}
	return out, nil
}

// split copies texts, each ended by a NUL, out of C's memory.
func split(names *C.char, size C.size_t) [][]byte {
	if size == 0 {
		return nil
	}
	all := C.GoBytes(unsafe.Pointer(names), C.int(size))
	return bytes.Split(all[:len(all)-1], []byte{0})
}
