package source

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// statAt looks at an entry of an open folder without following links, so that
// it leads nowhere else. Of the mode it gives the kind alone.
func statAt(dir *os.File, name string) (adapter.Stamp, fs.FileMode, error) {
	var st unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) //nolint:gosec // a descriptor fits
	for err == syscall.EINTR {                                              //nolint:errorlint // the system's own number
		err = unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) //nolint:gosec // as above
	}
	if err != nil {
		return adapter.Stamp{}, 0, err
	}
	mode := fs.FileMode(0)
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		mode = fs.ModeSymlink
	}
	return adapter.Stamp{Inode: st.Ino, Size: st.Size, Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano()}, mode, nil
}
