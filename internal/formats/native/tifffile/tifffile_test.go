//go:build native

package tifffile_test

import (
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter/adaptertest"
	"github.com/terrazzo-data/terrazzo/internal/formats/native/tifffile"
)

func TestFormat(t *testing.T) {
	adaptertest.Run(t, tifffile.Format{}, adaptertest.Goldens(t, "testdata/golden.json"))
}
