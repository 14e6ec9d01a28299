//go:build native

package main

// #include "confine.h"
import "C"

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// isConfined says whether the kernel keeps this process to its roots.
func isConfined() bool { return C.terrazzo_confined != 0 }

// limit bounds the address space: what the process has now, and memory bytes
// more. What would exceed it fails at the allocation, where it is the fault of
// one request, and not by the kernel's choice of a victim.
func limit(memory int64) error {
	if memory <= 0 {
		return nil
	}
	now, err := addressSpace()
	if err != nil {
		return err
	}
	all := uint64(now) + uint64(memory)
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: all, Max: all}); err != nil {
		return fmt.Errorf("limit of memory: %w", err)
	}
	return syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
}

func addressSpace() (int64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, nil //nolint:nilerr // confined from /proc: the runtime's usual share
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("size of the process: %w", err)
	}
	return pages * int64(os.Getpagesize()), nil
}
