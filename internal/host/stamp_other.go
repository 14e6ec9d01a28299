//go:build !linux

package host

import (
	"io/fs"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// stampOf is the stamp of a file as the server takes it.
func stampOf(info fs.FileInfo) adapter.Stamp {
	return adapter.Stamp{Size: info.Size(), Mtime: info.ModTime().UnixNano(), Ctime: info.ModTime().UnixNano()}
}
