package adaptertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// maxDamages is how often each file of a case is damaged in each way.
const maxDamages = 50

// damage shows each file that was ever opened cut off and corrupted in many
// places, and uses the item all the same.
func (s *subject) damage(t *testing.T) {
	t.Helper()
	s.src.Reset()
	s.src = s.src.inMemory()
	files := slices.Sorted(maps.Keys(s.touched))
	if len(files) > 4 {
		files = append(files[:2:2], files[len(files)-2:]...)
	}
	for _, name := range files {
		s.src.Reset()
		stamp, err := s.src.Stat(t.Context(), name)
		if err != nil {
			continue // absent when it was described, too
		}
		for at := range places(stamp.Size) {
			s.src.Reset()
			s.src.Truncate(name, at)
			s.survive(t, fmt.Sprintf("%s cut off after %d of %d bytes", name, at, stamp.Size), true)
			s.src.Reset()
			s.src.Corrupt(name, at)
			s.survive(t, fmt.Sprintf("%s with byte %d of %d corrupted", name, at, stamp.Size), false)
		}
	}
	s.src.Reset()
}

// places yields offsets below size: the first 40, then evenly.
func places(size int64) func(yield func(int64) bool) {
	return func(yield func(int64) bool) {
		step := int64(1)
		for at := int64(0); at < size; at += step {
			if at == 40 {
				step = max(1, size/maxDamages)
			}
			if !yield(at) {
				return
			}
		}
	}
}

// survive describes and reads the damaged item. same says that what can be
// read nevertheless must be the same as before.
func (s *subject) survive(t *testing.T, what string, same bool) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("%s: panic: %v", what, r)
		}
	}()
	// As a server meets it: described when it was whole, or not at all.
	fresh, err := s.format.Describe(t.Context(), s.src, s.c.Inside)
	if err != nil && !known(err) {
		t.Errorf("%s: Describe: %v is no error of errdef", what, err)
	}
	for _, d := range []*adapter.Description{remembered(s.d), fresh} {
		if d == nil || d.Family != s.d.Family {
			continue
		}
		data, err := s.use(t.Context(), d)
		if err != nil && !known(err) && !errors.Is(err, errdef.ErrTooLarge) {
			t.Errorf("%s: %v is no error of errdef", what, err)
		}
		if same && err == nil && d != fresh && !bytes.Equal(data, s.whole) {
			t.Errorf("%s: read without error as other data", what)
		}
	}
}

// use reads all there is.
func (s *subject) use(ctx context.Context, d *adapter.Description) ([]byte, error) {
	opened, err := s.format.Open(s.src, s.c.Inside, d)
	if err != nil {
		return nil, err
	}
	switch r := opened.(type) {
	case adapter.ArrayReader:
		return s.readAll(ctx, r, d)
	case adapter.TableReader:
		for p := range d.Partitions {
			columns := make([]int, d.Table.Schema.NumFields())
			for i := range columns {
				columns[i] = i
			}
			if _, err := r.ReadColumns(ctx, p, columns); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}
