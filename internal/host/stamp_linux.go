package host

import (
	"io/fs"
	"syscall"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// stampOf is the stamp of a file as the server takes it.
func stampOf(info fs.FileInfo) adapter.Stamp {
	s := adapter.Stamp{Size: info.Size(), Mtime: info.ModTime().UnixNano(), Ctime: info.ModTime().UnixNano()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.Inode, s.Mtime, s.Ctime = sys.Ino, sys.Mtim.Nano(), sys.Ctim.Nano()
	}
	return s
}
