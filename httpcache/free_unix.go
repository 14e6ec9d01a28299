// SPDX-License-Identifier: BSD-3-Clause

//go:build unix

package httpcache

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// owned tells whether a file is this user's.
func owned(about os.FileInfo) bool {
	of, ok := about.Sys().(*syscall.Stat_t)
	return ok && int(of.Uid) == os.Getuid()
}

// free is the bytes that a user may still write to the disk of dir; 0 if that cannot be
// known.
func free(dir string) int64 {
	var about unix.Statfs_t
	if err := unix.Statfs(dir, &about); err != nil {
		return 0
	}
	return int64(about.Bavail) * int64(about.Bsize) //nolint:gosec,unconvert // sizes of disks; the types differ between systems
}
