package source

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// AtOnce returns a context for the making of one answer: to see which version
// of its files a node is at, each file is looked at once, however often that is
// asked under it. What is read is looked at anew, before and after.
//
// A change that is seen meanwhile, and a second gone by, end it: from then on
// files are looked at anew.
func AtOnce(ctx context.Context) context.Context {
	return context.WithValue(ctx, looksKey{}, &looks{began: time.Now()})
}

type looksKey struct{}

const (
	looksTime = time.Second
	// maxLooked bounds the files that are held; answers that touch more look
	// at some of them twice.
	maxLooked = 8
)

// looks are the stamps that were seen while one answer is made.
type looks struct {
	began time.Time

	mu   sync.Mutex
	over bool
	seen []looked
	room [2]looked
}

type looked struct {
	wall  *Wall
	name  string
	stamp adapter.Stamp
}

// looksOf are those of the context, nil if there are none that still count.
func looksOf(ctx context.Context) *looks {
	l, _ := ctx.Value(looksKey{}).(*looks)
	if l == nil || time.Since(l.began) > looksTime {
		return nil
	}
	return l
}

func (l *looks) of(w *Wall, name string) (adapter.Stamp, bool) {
	if l == nil {
		return adapter.Stamp{}, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.seen, func(k looked) bool { return k.name == name && k.wall == w })
	if i < 0 {
		return adapter.Stamp{}, false
	}
	return l.seen[i].stamp, true
}

func (l *looks) put(w *Wall, name string, stamp adapter.Stamp) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || len(l.seen) >= maxLooked {
		return
	}
	if l.seen == nil {
		l.seen = l.room[:0]
	}
	l.seen = append(l.seen, looked{w, name, stamp})
}

// end has all files looked at anew.
func (l *looks) end() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over, l.seen = true, nil
}

// stampNow is the stamp of one file; one that is not there is Absent.
func (n *Node) stampNow(ctx context.Context, l *looks, name string) (adapter.Stamp, error) {
	full := within(n.item.Dir, name)
	if stamp, ok := l.of(n.wall, full); ok {
		return stamp, nil
	}
	stamp, _, err := n.wall.Stat(ctx, full)
	if errors.Is(err, errdef.ErrNotFound) || errors.Is(err, errdef.ErrGone) {
		stamp, err = adapter.Stamp{Absent: true}, nil
	}
	if err == nil {
		l.put(n.wall, full, stamp)
	}
	return stamp, err
}

// lookers is how many files are looked at a time when there are many.
const lookers = 8

// look takes the stamps of the files with the names, in their order.
func (n *Node) look(ctx context.Context, names []string) ([]adapter.Stamp, error) {
	stamps := make([]adapter.Stamp, len(names))
	if len(names) < 8*lookers {
		l := looksOf(ctx)
		for i, name := range names {
			stamp, err := n.stampNow(ctx, l, name)
			if err != nil {
				return nil, err
			}
			stamps[i] = stamp
		}
		return stamps, nil
	}
	return stamps, n.lookAtMany(ctx, names, stamps)
}

// lookAtMany fills in stamps, some at a time.
func (n *Node) lookAtMany(ctx context.Context, names []string, stamps []adapter.Stamp) error {
	errs := make([]error, lookers) // the first of each will do: there may be a million
	var all sync.WaitGroup
	for part := range lookers {
		all.Go(func() {
			for i := part; i < len(names) && errs[part] == nil; i += lookers {
				stamps[i], errs[part] = n.stampNow(ctx, nil, names[i])
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
