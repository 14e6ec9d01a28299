package zarr_test

import (
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter/adaptertest"
	"github.com/terrazzo-data/terrazzo/internal/formats/zarr"
)

func TestFormat(t *testing.T) {
	adaptertest.Run(t, zarr.New(), adaptertest.Goldens(t, "testdata/golden.json"))
}
