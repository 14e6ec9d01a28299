package source

import (
	"context"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
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
	if stamp, err = absent(stamp, err); err == nil {
		l.put(n.wall, full, stamp)
	}
	return stamp, err
}

// manyFiles is from how many on files are looked at folder by folder.
const manyFiles = 64

// look takes the stamps of the files with the names, in their order.
func (n *Node) look(ctx context.Context, names []string) ([]adapter.Stamp, error) {
	stamps := make([]adapter.Stamp, len(names))
	if len(names) >= manyFiles {
		return stamps, n.lookAtMany(ctx, names, stamps)
	}
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

// fewEntries is up to how many files of a folder are looked at one by one.
const fewEntries = 3

// lookAtMany fills in stamps, folder by folder.
func (n *Node) lookAtMany(ctx context.Context, names []string, stamps []adapter.Stamp) error {
	folders := map[string][]int{}
	for i, name := range names {
		folder := path.Dir(within(n.item.Dir, name))
		folders[folder] = append(folders[folder], i)
	}
	for folder, places := range folders {
		if len(places) > fewEntries && !path.IsAbs(folder) && n.lookInto(ctx, folder, names, places, stamps) {
			continue
		}
		for _, i := range places {
			var err error
			if stamps[i], err = n.stampNow(ctx, nil, names[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// lookInto fills in the stamps of names at the places, which all lie in the
// folder. It returns false if one could not be had, or the folder not be opened.
func (n *Node) lookInto(ctx context.Context, folder string, names []string, places []int, stamps []adapter.Stamp) bool {
	var failed atomic.Bool
	err := n.wall.statEach(ctx, folder, len(places), func(j int) string {
		return path.Base(within(n.item.Dir, names[places[j]]))
	}, func(j int, stamp adapter.Stamp, err error) {
		stamps[places[j]] = stamp
		if err != nil {
			failed.Store(true)
		}
	})
	return err == nil && !failed.Load()
}
