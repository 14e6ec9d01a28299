// SPDX-License-Identifier: BSD-3-Clause

package httpcache

import (
	"math"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// diskQuota is struct if_dqblk of the kernel.
type diskQuota struct {
	hardBlocks, softBlocks, usedBytes                uint64
	hardInodes, softInodes, usedInodes, time1, time2 uint64
	valid                                            uint32
	_                                                uint32
}

// quota is the bytes that this user may still write to the file system of dir, or
// math.MaxInt64 where there is no quota.
func quota(dir string) int64 {
	const (
		getQuota   = 0x800007
		userQuota  = 0
		quotactlFD = 443
	)
	f, err := os.Open(dir)
	if err != nil {
		return math.MaxInt64
	}
	defer f.Close() //nolint:errcheck // it was only looked at
	var q diskQuota
	//nolint:gosec // the kernel fills the struct
	_, _, failed := unix.Syscall6(quotactlFD, f.Fd(), getQuota<<8|userQuota, uintptr(os.Getuid()), uintptr(unsafe.Pointer(&q)), 0, 0)
	if failed != 0 {
		return math.MaxInt64
	}
	return q.left()
}

// left is what a quota allows still. Limits are in blocks of 1 KiB; 0 is none.
func (q *diskQuota) left() int64 {
	limit := q.hardBlocks
	if q.softBlocks > 0 && (limit == 0 || q.softBlocks < limit) {
		limit = q.softBlocks
	}
	if limit == 0 || limit > math.MaxInt64>>10 {
		return math.MaxInt64
	}
	return max(0, int64(limit<<10)-int64(min(q.usedBytes, math.MaxInt64))) //nolint:gosec // bounded
}
