//go:build native

package hdf5file

// #cgo CFLAGS: -O3 -DH5_USE_110_API
// #cgo pkg-config: hdf5-serial libdeflate
// #cgo LDFLAGS: -lblosc
// #include <stdlib.h>
// #include "driver.h"
// #include "filters.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/cgo"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/formats/native/hdf5compat"
)

// library is the HDF5 library with the files it has open. Its state is used on
// its one thread only.
type library struct {
	jobs   chan func()
	driver C.hid_t
	files  map[string]*file
	clock  uint64
	// allowed are the files that the library may open in this job, by the
	// paths it makes of their names; denied the paths it tried that nobody
	// has decided about. They are not one file's: files that are open are
	// shared, and so is what they try to open.
	allowed map[string]adapter.Place
	denied  []string
	fault   error // what opening met
}

const (
	// maxOpen bounds the files that stay open, maxAge how long one does that
	// nobody uses.
	maxOpen = 64
	maxAge  = time.Minute
	maxSets = 64 // data sets that stay open, of one file
)

func newLibrary() *library {
	l := &library{jobs: make(chan func()), files: make(map[string]*file)}
	go func() {
		runtime.LockOSThread() // the library's settings and errors are the thread's
		l.driver = C.tz_start()
		C.tz_register()
		for job := range l.jobs {
			job()
		}
	}()
	return l
}

// do runs a job on the library's thread. It returns what the job took, without
// the time it waited for its turn.
func (l *library) do(ctx context.Context, run func() error) (adapter.Cost, error) {
	var cost adapter.Cost
	var err error
	done := make(chan struct{})
	job := func() {
		defer close(done)
		if err = ctx.Err(); err != nil {
			return
		}
		C.tz_reset()
		l.allowed, l.denied, l.fault = make(map[string]adapter.Place), nil, nil
		start := time.Now()
		err = run()
		n := C.tz_counted()
		if n.failed != 0 {
			err = fmt.Errorf("%w: %w", syscall.Errno(n.failed), errdef.ErrUnavailable)
		}
		elapsed := time.Since(start)
		wait := min(time.Duration(n.wait_ns), elapsed)
		cost = adapter.Cost{Wait: wait, CPU: elapsed - wait, Bytes: int64(n.bytes), Opens: int64(n.opens)}
	}
	select {
	case l.jobs <- job:
	case <-ctx.Done():
		return cost, ctx.Err()
	}
	<-done
	return cost, err
}

// failure is what the library says of its last failure.
func failure() string {
	var text [256]C.char
	C.tz_explain(&text[0], C.size_t(len(text)))
	return C.GoString(&text[0])
}

// broken makes an error of the library's last failure.
func broken(what string) error {
	text := failure()
	if strings.Contains(text, "bad version number") {
		return fmt.Errorf("%s: %s: was written by a newer HDF5 library than is installed here: %w", what, text, errdef.ErrUnsupported)
	}
	return fmt.Errorf("%s: %s: %w", what, text, errdef.ErrUnprocessable)
}

// file is an open file with what was opened in it.
type file struct {
	lib    *library
	place  adapter.Place
	id     C.hid_t
	handle cgo.Handle
	// open are the stamps of what it has open, by descriptor.
	open map[int]held
	// older show what an older library knows of them, by descriptor.
	older map[int]*hdf5compat.Translator
	sets  map[uint64]*set
	// paths are those of all objects, by address, once that was asked for.
	paths map[uint64]string
	// netcdf is what the file is as a NetCDF data set, once that was asked for.
	netcdf *ncDataset
	swmr   bool
	pins   int // objects that a job has open
	used   uint64
	when   time.Time
	err    error // what opening met
}

type held struct {
	path  string
	stamp adapter.Stamp
}

// terrazzoOpen is called by the driver to open a file.
//
//export terrazzoOpen
func terrazzoOpen(handle C.uintptr_t, name *C.char) C.int {
	f, ok := cgo.Handle(handle).Value().(*file)
	if !ok {
		return -1
	}
	return C.int(f.openFor(C.GoString(name)))
}

// terrazzoClosed is called by the driver before it closes a file.
//
//export terrazzoClosed
func terrazzoClosed(handle C.uintptr_t, fd C.int) {
	if f, ok := cgo.Handle(handle).Value().(*file); ok {
		delete(f.open, int(fd))
		delete(f.older, int(fd))
	}
}

// openFor opens what the library asks for, if that was approved.
func (f *file) openFor(name string) int {
	place := f.place
	if name != f.place.Path {
		if !filepath.IsAbs(name) {
			return -1 // relative to nothing: the library tries such names last
		}
		name = filepath.Clean(name)
		var ok bool
		if place, ok = f.lib.allowed[name]; !ok {
			f.lib.denied = append(f.lib.denied, name)
			return -1
		}
		if place.Stamp.Absent {
			return -1
		}
	}
	fd, err := syscall.Open(place.Path, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		f.lib.fault = opening(place.Name, err)
		return -1
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil || st.Mode&syscall.S_IFMT != syscall.S_IFREG || !same(place, st) {
		f.lib.fault = fmt.Errorf("%s: %w", place.Name, errdef.ErrChanged)
		_ = syscall.Close(fd)
		return -1
	}
	f.open[fd] = held{place.Path, place.Stamp}
	return fd
}

// same says whether a file is in the state that was asked for.
func same(p adapter.Place, st syscall.Stat_t) bool {
	s := p.Stamp
	if p.Grows {
		return st.Ino == s.Inode && st.Size >= s.Size
	}
	return st.Ino == s.Inode && st.Size == s.Size && st.Mtim.Nano() == s.Mtime && st.Ctim.Nano() == s.Ctime
}

func opening(name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: is not there any more: %w", name, errdef.ErrChanged)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: the server may not read it: %w", name, errdef.ErrForbidden)
	}
	return fmt.Errorf("%s: %w: %w", name, err, errdef.ErrUnavailable)
}

// file returns an open file, in the version that the place says. What is open
// in another version is closed first: the library would share what it knows.
func (l *library) file(place adapter.Place) (*file, error) {
	l.clock++
	for _, f := range l.files {
		old := f.outdated(place)
		switch {
		case f.pins > 0 && old:
			f.closeSets()
		case f.pins > 0:
		case old || time.Since(f.when) > maxAge && f.place.Path != place.Path:
			f.close()
		}
	}
	f := l.files[place.Path]
	if f == nil {
		l.room()
		f = &file{lib: l, place: place, open: make(map[int]held), older: make(map[int]*hdf5compat.Translator), sets: make(map[uint64]*set)}
		if err := f.begin(); err != nil {
			return nil, err
		}
		l.files[place.Path] = f
	}
	f.used, f.when = l.clock, time.Now()
	return f, nil
}

// outdated says whether the file has another version of the place open.
func (f *file) outdated(place adapter.Place) bool {
	for _, h := range f.open {
		if h.path == place.Path && h.stamp != place.Stamp {
			return true
		}
	}
	return false
}

// allow lets the library open the place when it looks for target, as the file
// called from has it.
func (f *file) allow(from adapter.Place, target string, place adapter.Place) {
	if f.outdated(place) {
		// Who has it open has to begin anew; the next look opens it again.
		f.closeSets()
	}
	path := target
	if !filepath.IsAbs(target) {
		path = filepath.Join(filepath.Dir(from.Path), target)
	}
	f.lib.allowed[filepath.Clean(path)] = place
}

// room closes the file used longest ago if there are too many.
func (l *library) room() {
	if len(l.files) < maxOpen {
		return
	}
	var oldest *file
	for _, f := range l.files {
		if f.pins == 0 && (oldest == nil || f.used < oldest.used) {
			oldest = f
		}
	}
	if oldest != nil {
		oldest.close()
	}
}

// begin opens the file itself.
func (f *file) begin() error {
	f.lib.fault = nil
	f.handle = cgo.NewHandle(f)
	fapl := C.tz_fapl(f.lib.driver, C.uintptr_t(f.handle))
	if fapl < 0 {
		f.handle.Delete()
		return broken("the library")
	}
	defer C.H5Pclose(fapl)
	path := C.CString(f.place.Path)
	defer C.free(unsafe.Pointer(path))
	f.id = C.H5Fopen(path, C.H5F_ACC_RDONLY, fapl)
	why := ""
	if f.id < 0 && f.lib.fault == nil {
		why = failure()
		f.id = C.H5Fopen(path, C.H5F_ACC_RDONLY|C.H5F_ACC_SWMR_READ, fapl)
		f.swmr = f.id >= 0
	}
	if f.id >= 0 {
		return nil
	}
	_ = failure() // forget it
	f.handle.Delete()
	switch {
	case f.lib.fault != nil:
		return f.lib.fault
	case strings.Contains(why, "already open for write") || strings.Contains(why, "consistency flags"):
		return fmt.Errorf("%s: is open for writing; write in SWMR mode, or if its writer died run h5clear -s: %w", f.place.Name, errdef.ErrUnavailable)
	case beingWritten(f.place.Stamp.Inode):
		return fmt.Errorf("%s: is being written: %s: %w", f.place.Name, why, errdef.ErrUnavailable)
	}
	return fmt.Errorf("%s: is no HDF5 file that can be read: %s: %w", f.place.Name, why, errdef.ErrUnprocessable)
}

// beingWritten says whether somebody holds the library's lock for writing.
func beingWritten(inode uint64) bool {
	text, err := os.ReadFile("/proc/locks")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) > 5 && fields[3] == "WRITE" && strings.HasSuffix(fields[5], fmt.Sprintf(":%d", inode)) {
			return true
		}
	}
	return false
}

func (f *file) closeSets() {
	for addr, s := range f.sets {
		s.close()
		delete(f.sets, addr)
	}
}

func (f *file) close() {
	f.closeSets()
	C.tz_close(f.id)
	f.handle.Delete()
	delete(f.lib.files, f.place.Path)
}
