package adapter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
)

// Format is one file format, as a package under internal/formats brings it.
//
// A format does I/O only through the [Source] it is given. Everything it
// opens, stats or lists while it describes becomes a dependency of the
// description, everything it opens in a read is checked against the pinned
// version, and time spent in the source's methods is counted as waiting: the
// format does nothing for any of this.
//
// Implementations hold no state and are safe for concurrent use.
type Format interface {
	// Kind says which files the format is for.
	Kind() Kind
	// Describe looks into the files. inside names a member within them
	// (the groups of a Zarr folder, the sheets of a workbook), and is empty
	// for the whole. What comes from a file is checked before memory is
	// allocated by it. Errors as in [Adapter].
	Describe(ctx context.Context, src Source, inside []string) (*Description, error)
	// Open returns a reader of what d describes: an [ArrayReader] or a
	// [TableReader] by its family, nil for a container. It does no I/O.
	Open(src Source, inside []string, d *Description) (any, error)
}

// Kind says which files a format is for.
type Kind struct {
	// Name is the format's own, such as "npy".
	Name string
	// MediaType is Tiled's for such files, such as "application/x-npy".
	MediaType string
	// Extensions of its files, in lower case, with the dot.
	Extensions []string
	// Folder says that a folder with one of the extensions is one item.
	Folder bool
	// Sequence says that the format takes a run of numbered files as one.
	Sequence bool
	// Reads names the library that reads it, for `terrazzo formats`.
	Reads string
	// Missing, if not empty, says why this installation cannot read such
	// files and what to install. They are listed all the same.
	Missing string
}

// ArrayReader reads the blocks of one array.
type ArrayReader interface {
	// Touches yields the files that a read of sel opens or finds absent, by
	// their names in the source, each once. It does no I/O.
	Touches(sel ndslice.Selection) iter.Seq[string]
	// ReadBlock reads one block of the description's grid into fresh memory.
	// Cost may be left zero: the caller measures.
	ReadBlock(ctx context.Context, block []int64) (Block, error)
}

// TableReader reads the partitions of one table.
type TableReader interface {
	// Touches yields the files that a read of the partition opens.
	Touches(partition int) iter.Seq[string]
	// ReadColumns reads columns by their index in the schema.
	ReadColumns(ctx context.Context, partition int, columns []int) (Columns, error)
}

// Source is the files behind one item, seen through the wall around the
// served folder: no name leads out of it. Names are slash-separated paths
// relative to the source, as [fs.ValidPath] wants them.
//
// It is safe for concurrent use. Errors: errdef.ErrNotFound for what is not
// there, ErrForbidden for what lies outside the wall or may not be read,
// ErrUnprocessable for what is no regular file, ErrChanged when the source is
// pinned and the file is no longer what it was, ErrUnavailable for the disk's.
type Source interface {
	// Names are the files that make the item: one for a single file, the
	// members of a sequence in order, "." for a folder.
	Names() []string
	Open(ctx context.Context, name string) (File, error)
	Stat(ctx context.Context, name string) (Stamp, error)
	// ReadDir lists a folder in the order of names.
	ReadDir(ctx context.Context, name string) ([]fs.DirEntry, error)
}

// File is an open file. It is safe for concurrent use until it is closed.
type File interface {
	io.ReaderAt
	io.Closer
	// Size is that of the file when it was opened, in bytes.
	Size() int64
}

// Stamp is what the file system says of a file, without its contents.
type Stamp struct {
	Inode        uint64
	Size         int64
	Mtime, Ctime int64 // nanoseconds since 1970
	// Absent says that there is no such file, which is a state too.
	Absent bool
}

// Modified returns when the contents changed last.
func (s Stamp) Modified() time.Time { return time.Unix(0, s.Mtime) }

// ReaderOf gives a plain reader over all of an open file.
func ReaderOf(f File) *io.SectionReader { return io.NewSectionReader(f, 0, f.Size()) }

// ReadFull reads len(p) bytes at offset. A file that has fewer is cut off:
// errdef.ErrUnprocessable. Other errors are those of r.
func ReadFull(r io.ReaderAt, p []byte, offset int64) error {
	n, err := r.ReadAt(p, offset)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return fmt.Errorf("is cut off: %d of %d bytes at %d: %w", n, len(p), offset, errdef.ErrUnprocessable)
	default:
		return err
	}
}

// Resumer is a [Format] that can go on describing a file that only grew.
type Resumer interface {
	// Resume is Describe for a source of which previous, its Files filled in,
	// is an earlier description. The result is what Describe would give; it
	// costs less where the files only grew. The format says how it tells, and
	// what becomes of files that were edited in a way it cannot tell.
	Resume(ctx context.Context, src Source, inside []string, previous *Description) (*Description, error)
}
