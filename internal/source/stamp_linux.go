package source

import (
	"io/fs"
	"syscall"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// stampOf takes the stamp out of what the system says of a file.
func stampOf(info fs.FileInfo) adapter.Stamp {
	s := adapter.Stamp{Size: info.Size(), Mtime: info.ModTime().UnixNano()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.Inode = sys.Ino
		s.Mtime = sys.Mtim.Nano()
		s.Ctime = sys.Ctim.Nano()
	}
	return s
}

// guess tells kinds of storage apart by the numbers that statfs gives. What
// FUSE and virtual machines mount is taken for a network's.
func guess(dir string) Consistency {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return Local
	}
	switch uint32(st.Type) { //nolint:gosec // the magic numbers have 32 bits
	case 0x6969, 0x517B, 0xFF534D42, 0xFE534D42, 0x5346414F, 0x6B414653, 0x65735546, 0x01021997:
		return NFS // nfs, smb, cifs, smb2, afs, kafs, fuse, 9p
	case 0x0BD00BD0, 0x47504653, 0x19830326, 0x00C36400, 0x20030528, 0xAAD7AAEA:
		return Parallel // lustre, gpfs, beegfs, ceph, orangefs, panfs
	}
	return Local
}
