//go:build !linux

package source

import (
	"io/fs"
	"os"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// statAt has no cheap form here.
func statAt(*os.File, string) (adapter.Stamp, fs.FileMode, error) {
	return adapter.Stamp{}, 0, errdef.ErrUnsupported
}
