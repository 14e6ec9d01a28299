package adaptertest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

func (s *subject) runTable(t *testing.T, r adapter.TableReader) {
	t.Helper()
	for p, described := range s.d.Partitions {
		s.src.Reset()
		all, err := s.readPartition(t.Context(), r, p)
		if err != nil {
			t.Fatalf("partition %d: %v", p, err)
		}
		touches := slices.Collect(r.Touches(p))
		for name := range s.src.Opened() {
			if !slices.Contains(touches, name) {
				t.Errorf("partition %d: %s was opened; Touches has only %v", p, name, touches)
			}
		}
		for _, name := range touches {
			s.touched[name]++
		}
		if all.Rows != described.Rows {
			t.Errorf("partition %d: %d rows, %d described", p, all.Rows, described.Rows)
		}
		s.checkColumns(t, r, p, all)
	}
	if len(s.d.Partitions) > 0 {
		s.tableTogether(t)
		s.tableInterrupted(t, r)
	}
}

// readPartition reads all columns.
func (s *subject) readPartition(ctx context.Context, r adapter.TableReader, partition int) (adapter.Columns, error) {
	columns := make([]int, s.d.Table.Schema.NumFields())
	for i := range columns {
		columns[i] = i
	}
	return r.ReadColumns(ctx, partition, columns)
}

// checkColumns compares columns with the schema, and with what reading each
// alone, none, or all in reverse gives.
func (s *subject) checkColumns(t *testing.T, r adapter.TableReader, p int, all adapter.Columns) {
	t.Helper()
	fields := s.d.Table.Schema.Fields()
	if len(all.Arrays) != len(fields) {
		t.Fatalf("partition %d: %d columns, want %d", p, len(all.Arrays), len(fields))
	}
	none, err := r.ReadColumns(t.Context(), p, nil)
	if err != nil || len(none.Arrays) != 0 || none.Rows != all.Rows {
		t.Errorf("partition %d: no columns: got %d columns, %d rows, %v", p, len(none.Arrays), none.Rows, err)
	}
	reverse := make([]int, len(fields))
	for i := range fields {
		reverse[i] = len(fields) - 1 - i
		if !arrow.TypeEqual(all.Arrays[i].DataType(), fields[i].Type) || int64(all.Arrays[i].Len()) != all.Rows {
			t.Errorf("partition %d, column %s: %d of %s, want %d of %s", p, fields[i].Name,
				all.Arrays[i].Len(), all.Arrays[i].DataType(), all.Rows, fields[i].Type)
		}
		one, err := r.ReadColumns(t.Context(), p, []int{i})
		if err != nil || len(one.Arrays) != 1 || !array.Equal(one.Arrays[0], all.Arrays[i]) {
			t.Errorf("partition %d, column %s: read alone it differs: %v", p, fields[i].Name, err)
		}
	}
	turned, err := r.ReadColumns(t.Context(), p, reverse)
	if err != nil || !slices.EqualFunc(reverse, turned.Arrays, func(i int, a arrow.Array) bool {
		return array.Equal(a, all.Arrays[i])
	}) {
		t.Errorf("partition %d: columns in reverse are not those asked for: %v", p, err)
	}
}

func (s *subject) tableTogether(t *testing.T) {
	t.Helper()
	opened, err := s.format.Open(s.src, s.c.Inside, remembered(s.d))
	if err != nil {
		t.Fatalf("Open of a remembered description: %v", err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for p, described := range s.d.Partitions {
				got, err := s.readPartition(t.Context(), opened.(adapter.TableReader), p)
				if err != nil || got.Rows != described.Rows {
					t.Errorf("read by several at once: partition %d: %d rows, %v", p, got.Rows, err)
				}
			}
		})
	}
	group.Wait()
}

func (s *subject) tableInterrupted(t *testing.T, r adapter.TableReader) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.readPartition(ctx, r, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("read with a cancelled context: got %v", err)
	}
	s.src.Change()
	if _, err := s.readPartition(t.Context(), r, 0); !errors.Is(err, errdef.ErrChanged) {
		t.Errorf("read of a changed source: got %v, want %v", err, errdef.ErrChanged)
	}
	s.src.Reset()
}
