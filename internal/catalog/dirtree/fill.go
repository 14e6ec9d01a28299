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

// progress is how far the index of a folder is.
type progress struct {
	done, all atomic.Int64
	short     atomic.Bool // not everything could be kept
}

// indexings are the indexes that are being made.
type indexings struct {
	sync.Mutex
	running map[string]struct{} // in the background
	how     map[string]*progress
	closed  bool
	all     sync.WaitGroup
}

// indexed returns the index of the folder as it is now. If it is not ready for
// as long as a query may wait, the making goes on in the background, and the
// error is errdef.ErrUnavailable: an answer is complete or is none.
func (f *folder) indexed(ctx context.Context) (*index, error) {
	t := f.tree
	p := t.progressOf(f.at)
	waiting, cancel := context.WithTimeout(ctx, t.opts.FillTime)
	defer cancel()
	x, _, err := t.indexing.DoFresh(waiting, f.at, func(ctx context.Context) (*index, error) {
		return t.build(ctx, f.at, p)
	})
	if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
		return x, err
	}
	hint := ""
	if p.short.Load() {
		hint = "; not all of it fits into memory: give the server a state directory (--state)"
	}
	return nil, fmt.Errorf("%s: the index for searches is being made, %d of %d items are in it%s: %w", f.at, p.done.Load(), p.all.Load(), hint, errdef.ErrUnavailable)
}

func (t *Tree) progressOf(at string) *progress {
	t.fills.Lock()
	defer t.fills.Unlock()
	p := t.fills.how[at]
	if p == nil {
		if len(t.fills.how) >= maxFills {
			clear(t.fills.how)
		}
		p = &progress{}
		t.fills.how[at] = p
	}
	return p
}

// maxFills bounds the folders of which the progress is known.
const maxFills = 10_000

// goOn has the index of a folder made to its end, whoever still waits for it:
// somebody who always waits joins the making that runs.
func (t *Tree) goOn(at string, p *progress) {
	t.fills.Lock()
	defer t.fills.Unlock()
	if _, running := t.fills.running[at]; running || t.fills.closed {
		return
	}
	t.fills.running[at] = struct{}{}
	t.fills.all.Go(func() {
		_, _, _ = t.indexing.Do(t.life, at, func(ctx context.Context) (*index, error) { return t.build(ctx, at, p) }) // who asks is told
		t.fills.Lock()
		defer t.fills.Unlock()
		delete(t.fills.running, at)
	})
}

// ready describes items for as long as a query may wait.
func (f *folder) ready(ctx context.Context, items []catalog.Item) error {
	if err := catalog.Describe(ctx, items, f.tree.opts.FillTime); err != nil {
		return err
	}
	for _, it := range items {
		if errors.Is(it.Err, errdef.ErrUnavailable) {
			return fmt.Errorf("%s: %w", f.at, it.Err)
		}
	}
	return nil
}

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
