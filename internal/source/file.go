package source

import (
	"os"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// File is an open regular file. It implements [adapter.File].
type File struct {
	file  *os.File
	stamp adapter.Stamp
}

// ReadAt implements [io.ReaderAt].
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.file.ReadAt(p, off) }

// Size is that of the file when it was opened.
func (f *File) Size() int64 { return f.stamp.Size }

// Stamp is what the file is now, by the open file itself.
func (f *File) Stamp() (adapter.Stamp, error) {
	info, err := f.file.Stat()
	if err != nil {
		return adapter.Stamp{}, fault(err)
	}
	return stampOf(info), nil
}

// Unchanged says with errdef.ErrChanged that the file is not what it was when
// it was opened.
func (f *File) Unchanged() error {
	now, err := f.Stamp()
	if err == nil && now != f.stamp {
		err = errdef.ErrChanged
	}
	return err
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }
