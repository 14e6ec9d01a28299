package dirtree

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync"
	"sync/atomic"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/catalog"
)

// workers is how many items are looked up in the index at a time.
const workers = 8

// ready describes all items, out of what is remembered and for the rest by
// looking into files, for as long as a query may wait. If that does not
// suffice, the rest goes on in the background, and the error is
// errdef.ErrUnavailable: an answer is complete or is none.
func (f *folder) ready(ctx context.Context, items []catalog.Item) error {
	recall(ctx, items)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := catalog.Describe(ctx, items, f.tree.opts.FillTime); err != nil {
		return err
	}
	missing := 0
	for _, it := range items {
		if errors.Is(it.Err, errdef.ErrUnavailable) {
			missing++
		}
	}
	if missing == 0 {
		return nil
	}
	if f.tree.fill(f.at) {
		return fmt.Errorf("%s: the descriptions of its %d items do not fit into memory; give the server a state directory (--state) to search here: %w", f.at, len(items), errdef.ErrUnavailable)
	}
	return fmt.Errorf("%s: the index for searches is being made, %d of %d items are in it: %w", f.at, len(items)-missing, len(items), errdef.ErrUnavailable)
}

// recall fills in what is remembered of each item.
func recall(ctx context.Context, items []catalog.Item) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(workers, len(items)) {
		all.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(items) && ctx.Err() == nil; i = next.Add(1) - 1 {
				it := &items[i]
				d, v, err, ok := remembered(ctx, it.Adapter)
				switch {
				case !ok || errors.Is(err, errdef.ErrUnavailable):
				case err != nil:
					it.Description, it.Version, it.Err = catalog.Unreadable(err), v, err
				default:
					it.Description, it.Version = d, v
				}
			}
		})
	}
	all.Wait()
}

// fill looks into every item of a folder in the background, unless that is
// being done already. It says whether it was done before and did not help,
// since not everything could be kept.
func (t *Tree) fill(at string) (tooMany bool) {
	t.fills.Lock()
	defer t.fills.Unlock()
	if _, running := t.fills.running[at]; running || t.fills.closed {
		return t.fills.short[at]
	}
	done := make(chan struct{})
	t.fills.running[at] = done
	t.fills.all.Go(func() {
		short := false
		defer func() {
			t.fills.Lock()
			defer t.fills.Unlock()
			delete(t.fills.running, at)
			if len(t.fills.short) > maxFills {
				clear(t.fills.short)
			}
			if delete(t.fills.short, at); short {
				t.fills.short[at] = true
			}
			close(done)
		}()
		f := &folder{tree: t, at: at}
		l, _, err := t.list(t.life, at)
		if err != nil {
			return
		}
		items := f.all(l)
		if catalog.Describe(t.life, items, 0) == nil && !t.memory.Persistent() && len(items) > 0 {
			// What was described first was given up first.
			_, _, _, kept := remembered(t.life, items[0].Adapter)
			short = items[0].Version.Trusted && !kept
		}
	})
	return t.fills.short[at]
}

// maxFills bounds the folders of which is known that they do not fit.
const maxFills = 10_000

// Progress is how far [Tree.Fill] has come.
type Progress struct {
	Folders, Items, Errors int64
}

// Fill looks into every file of the tree that is not remembered yet, so that
// queries on metadata need not wait. progress, which may be nil, is called
// after each folder. Links to folders are not entered. The error is ctx's, or
// that of reading a folder's names at the root.
func (t *Tree) Fill(ctx context.Context, progress func(Progress)) error {
	var p Progress
	for folders := []string{"."}; len(folders) > 0; {
		at := folders[len(folders)-1]
		folders = folders[:len(folders)-1]
		l, _, err := t.list(ctx, at)
		if err != nil {
			if at == "." || ctx.Err() != nil {
				return err
			}
			p.Errors++
			continue
		}
		f := &folder{tree: t, at: at}
		for start := 0; start < len(l.items); start += fillBatch {
			part := l.items[start:min(start+fillBatch, len(l.items))]
			items := f.all(&listing{items: part})
			if err := catalog.Describe(ctx, items, 0); err != nil {
				return err
			}
			for i, it := range items {
				p.Items++
				if it.Err != nil {
					p.Errors++
				}
				if _, plain := it.Adapter.(*folder); plain {
					folders = append(folders, path.Join(at, part[i].names[0]))
				}
			}
		}
		p.Folders++
		if progress != nil {
			progress(p)
		}
	}
	return nil
}

// fillBatch is how many items are described before their adapters are let go.
const fillBatch = 1000
