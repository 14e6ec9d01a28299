package host

import (
	"errors"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// Greeting is the first frame of a connection, sent by the host.
type Greeting struct {
	Protocol int `json:"protocol"`
	// Program says what the host is and in which version.
	Program string `json:"program"`
	// Formats are those it reads.
	Formats []FormatInfo `json:"formats"`
}

// FormatInfo is what a host says of a format.
type FormatInfo struct {
	Name string `json:"name"`
	// Reads names the library with its version.
	Reads string `json:"reads"`
}

// The operations.
const (
	opPing        = "ping"
	opDescribe    = "describe"
	opReadBlock   = "read_block"
	opChildren    = "children"
	opReadColumn  = "read_columns"
	opFingerprint = "fingerprint"
)

// Request is the header of a request. Its body is the token that describing
// gave, for operations that read.
type Request struct {
	Op     string `json:"op"`
	Format string `json:"format,omitempty"`
	// Files are those that may be opened. The first Items make the item.
	Files []File `json:"files,omitempty"`
	Items int    `json:"items,omitempty"`
	// Links answer what earlier replies said is needed.
	Links []Link `json:"links,omitempty"`
	// Inside names a member within the files.
	Inside [][]byte `json:"inside,omitempty"`
	// Block is the index of a block of the grid.
	Block []int64 `json:"block,omitempty"`
	// Offset and Limit are of a page of members.
	Offset int `json:"offset,omitempty"`
	Limit  int `json:"limit,omitempty"`
	// Partition and Columns belong to tables.
	Partition int   `json:"partition,omitempty"`
	Columns   []int `json:"columns,omitempty"`
	// DeadlineMS is how long the asker waits; Budget how many bytes of body
	// he takes.
	DeadlineMS int64 `json:"deadline_ms,omitempty"`
	Budget     int64 `json:"budget,omitempty"`
}

// File is one file that the host may open, in the state it must have.
type File struct {
	// ID is what links and replies call it by, within one request.
	ID int `json:"id"`
	// Name is the server's for it, Path where it lies. Both are bytes (base64
	// in JSON), since file names need not be text.
	Name  []byte `json:"name"`
	Path  []byte `json:"path,omitempty"`
	Inode uint64 `json:"inode,omitempty"`
	Size  int64  `json:"size,omitempty"`
	Mtime int64  `json:"mtime,omitempty"`
	Ctime int64  `json:"ctime,omitempty"`
	// Absent says that there is no such file.
	Absent bool `json:"absent,omitempty"`
	// Grows says that the file may have become longer since.
	Grows bool `json:"grows,omitempty"`
}

func fileOf(id int, p adapter.Place) File {
	return File{
		ID: id, Name: []byte(p.Name), Path: []byte(p.Path), Inode: p.Stamp.Inode, Size: p.Stamp.Size,
		Mtime: p.Stamp.Mtime, Ctime: p.Stamp.Ctime, Absent: p.Stamp.Absent,
	}
}

func (f File) stamp() adapter.Stamp {
	return adapter.Stamp{Inode: f.Inode, Size: f.Size, Mtime: f.Mtime, Ctime: f.Ctime, Absent: f.Absent}
}

func (f File) place() adapter.Place {
	return adapter.Place{Name: string(f.Name), Path: string(f.Path), Stamp: f.stamp(), Grows: f.Grows}
}

// Link says what a path, as it is written in one file, leads to.
type Link struct {
	From   int    `json:"from"`
	Target []byte `json:"target"`
	// File is where it leads, unless Error says why it must not be followed.
	File    int    `json:"file"`
	Error   string `json:"error,omitempty"`
	Message string `json:"message,omitempty"`
}

// Need is a path, as it is written in a file, that the host has to know of.
type Need struct {
	From   int    `json:"from"`
	Target []byte `json:"target"`
}

// Reply is the header of a reply.
type Reply struct {
	OK bool `json:"ok"`
	// Error is the name of an errdef error, Message what is wrong.
	Error   string `json:"error,omitempty"`
	Message string `json:"message,omitempty"`
	// Need, if not empty, asks for the same request once more with links.
	Need []Need `json:"need,omitempty"`
	Cost Cost   `json:"cost,omitzero"`
	// Kind says what the body is: "description", "children", "array", "arrow",
	// "fingerprint", or that there are Extents instead.
	Kind  string  `json:"kind,omitempty"`
	Shape []int64 `json:"shape,omitempty"`
	Rows  int64   `json:"rows,omitempty"`
	// Extents are where the bytes of an array lie, in order.
	Extents []Extent `json:"extents,omitempty"`
	// Seen are the files that were opened, with the stamps they had.
	Seen []File `json:"seen,omitempty"`
}

// The kinds of body.
const (
	kindDescription = "description"
	kindChildren    = "children"
	kindArray       = "array"
	kindArrow       = "arrow"
	kindExtents     = "extents"
	kindFingerprint = "fingerprint"
)

// Extent is a run of bytes in a file; a File of -1 stands for zeros.
type Extent struct {
	File   int   `json:"file"`
	Offset int64 `json:"offset"`
	Length int64 `json:"length"`
}

// Cost is that of a request without queues and locks, in nanoseconds.
type Cost struct {
	Wait  int64 `json:"wait"`
	CPU   int64 `json:"cpu"`
	Bytes int64 `json:"bytes"`
	Opens int64 `json:"opens"`
}

func costOf(c adapter.Cost) Cost {
	return Cost{Wait: int64(c.Wait), CPU: int64(c.CPU), Bytes: c.Bytes, Opens: c.Opens}
}

func (c Cost) adapter() adapter.Cost {
	return adapter.Cost{Wait: time.Duration(c.Wait), CPU: time.Duration(c.CPU), Bytes: c.Bytes, Opens: c.Opens}
}

// codes are the names of errors on the socket; in [codeOf] the first that
// matches counts.
func codes() []code {
	return []code{
		{"changed", errdef.ErrChanged},
		{"unavailable", errdef.ErrUnavailable},
		{"forbidden", errdef.ErrForbidden},
		{"gone", errdef.ErrGone},
		{"not_found", errdef.ErrNotFound},
		{"not_allowed", errdef.ErrNotAllowed},
		{"too_large", errdef.ErrTooLarge},
		{"unsupported", errdef.ErrUnsupported},
		{"invalid", errdef.ErrInvalid},
		{"unprocessable", errdef.ErrUnprocessable},
	}
}

type code struct {
	name string
	err  error
}

func codeOf(err error) string {
	for _, c := range codes() {
		if errors.Is(err, c.err) {
			return c.name
		}
	}
	return "unprocessable"
}

// remote is an error that the other side has said.
type remote struct {
	text string
	kind error
}

func (e *remote) Error() string { return e.text }
func (e *remote) Unwrap() error { return e.kind }

func errorOf(name, message string) error {
	kind := errdef.ErrUnprocessable
	for _, c := range codes() {
		if c.name == name {
			kind = c.err
		}
	}
	if message == "" {
		message = kind.Error()
	}
	return &remote{text: message, kind: kind}
}
