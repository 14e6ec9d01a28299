package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// named puts the name before what went wrong, and drops the path that the
// system's error holds.
func named(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, fault(err))
}

// fault turns what the system says into one of our errors. Those that are ours
// already, and a context's, are left alone.
func fault(err error) error {
	var number syscall.Errno
	if !errors.As(err, &number) {
		switch {
		case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
			return err
		case errors.Is(err, fs.ErrClosed):
			return fmt.Errorf("the folder is closed: %w", errdef.ErrUnavailable)
		case ours(err):
			return err
		}
		return fmt.Errorf("%w: %w", err, errdef.ErrForbidden) // os.Root's own refusals
	}
	switch number {
	case syscall.ENOENT, syscall.ENOTDIR, syscall.ENAMETOOLONG, syscall.EINVAL:
		return fmt.Errorf("no such file: %w", errdef.ErrNotFound)
	case syscall.EACCES, syscall.EPERM:
		return fmt.Errorf("the server may not read it: %w", errdef.ErrForbidden)
	case syscall.ELOOP:
		return fmt.Errorf("links that lead to each other: %w", errdef.ErrUnprocessable)
	case syscall.EISDIR:
		return fmt.Errorf("is a folder, not a file: %w", errdef.ErrUnprocessable)
	default: // the disk's, or ours: too many open files, a stale handle
		return fmt.Errorf("%w: %w", number, errdef.ErrUnavailable)
	}
}

func ours(err error) bool {
	for _, known := range sentinels() {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// sentinels are the errors that this package meets; their order is that under
// which they are remembered.
func sentinels() []error {
	return []error{
		errdef.ErrUnprocessable, errdef.ErrUnsupported, errdef.ErrTooLarge, errdef.ErrInvalid, errdef.ErrNotFound,
		errdef.ErrForbidden, errdef.ErrGone, errdef.ErrUnavailable, errdef.ErrChanged,
	}
}
