package dirtree

import (
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/internal/source"
)

// kind is what the folder says an entry is.
type kind uint8

const (
	aFile kind = iota
	aFolder
	aLink
	aThing // a fifo, a socket, a device
)

func kindOf(mode fs.FileMode) kind {
	switch {
	case mode.IsDir():
		return aFolder
	case mode&fs.ModeSymlink != 0:
		return aLink
	case mode.IsRegular():
		return aFile
	}
	return aThing
}

// entry is one name in a folder.
type entry struct {
	name string
	what kind
}

// item is one node: an entry, or a sequence of them. It is immutable but for
// node, and outlives the listing it was made for as long as it stays the same.
type item struct {
	key    string
	group  string   // what makes it the same item in the next listing
	names  []string // one, or the members of a sequence in order
	what   kind
	format adapter.Format // of a sequence; otherwise the name says it

	once sync.Once
	node *source.Node // made when first asked for
}

// full is the file name under which an item is known if its key is taken.
func (it *item) full() string { return text(it.names[0]) }

// listing is what a folder held when it was read. It is immutable.
type listing struct {
	stamp adapter.Stamp
	// settled says that the stamp was trusted before the names were read, so
	// that the listing is complete as long as the folder has that stamp.
	settled bool
	read    time.Time
	names   int
	items   []*item // in the folder's order
	byKey   map[string]*item
	byGroup map[string]*item
	byID    func() []*item // in the order of the keys' bytes
	clashes []*item        // items that had to take their full names, new in this listing
}

// arrange makes a listing of the names in a folder. What did not change since
// old (which may be nil) is taken over from it, and only what is new is sorted.
func (r rules) arrange(entries []entry, old *listing) *listing {
	if old == nil {
		old = &listing{}
	}
	l := &listing{byKey: make(map[string]*item, len(entries)), byGroup: make(map[string]*item, len(entries))}
	sequences := map[string]*item{}
	for _, e := range entries {
		if !r.shown(e.name, e.what) {
			continue
		}
		l.names++
		if e.what == aFile || e.what == aLink {
			if f, base, ok := r.sequence(e.name); ok {
				group := "\x00" + f.Kind().Name + "\x00" + base
				it := sequences[group]
				if it == nil {
					it = &item{group: group, format: f, key: r.key(base)}
					sequences[group] = it
				}
				it.names = append(it.names, e.name)
				continue
			}
		}
		it := old.byGroup[e.name]
		if it == nil || it.what != e.what {
			it = &item{group: e.name, names: []string{e.name}, what: e.what, key: r.key(e.name)}
		}
		l.byGroup[e.name] = it
	}
	for group, it := range sequences {
		slices.SortFunc(it.names, natural)
		if before := old.byGroup[group]; before != nil && slices.Equal(before.names, it.names) {
			it = before
		}
		l.byGroup[group] = it
	}
	l.settleKeys(r)
	l.inOrder(old)
	l.byID = sync.OnceValue(func() []*item {
		return slices.SortedFunc(slices.Values(l.items), func(a, b *item) int { return strings.Compare(a.key, b.key) })
	})
	return l
}

// wanted is the key that an item has unless another one has it.
func (r rules) wanted(it *item) string {
	if it.format == nil {
		return r.key(it.names[0])
	}
	_, base, _ := r.sequence(it.names[0])
	return r.key(base)
}

// settleKeys gives each item a key of its own. One whose full name is the key
// has the first right to it, then the first in natural order.
func (l *listing) settleKeys(r rules) {
	var contested map[string][]*item
	for _, it := range l.byGroup {
		want := it.key
		if it.key == it.full() { // it may have had to take its full name before
			want = r.wanted(it)
		}
		if other, ok := l.byKey[want]; ok {
			if contested == nil {
				contested = map[string][]*item{}
			}
			if contested[want] == nil {
				contested[want] = []*item{other}
			}
			contested[want] = append(contested[want], it)
			continue
		}
		l.byKey[want] = it
	}
	for want, rivals := range contested {
		slices.SortFunc(rivals, func(a, b *item) int {
			if x, y := a.full() == want && a.format == nil, b.full() == want && b.format == nil; x != y {
				if x {
					return -1
				}
				return 1
			}
			return natural(a.names[0], b.names[0])
		})
		l.byKey[want] = rivals[0]
		for _, it := range rivals[1:] {
			key := it.full()
			for l.byKey[key] != nil {
				key += "~"
			}
			l.byKey[key] = it
			if it.key != key {
				l.clashes = append(l.clashes, it)
			}
		}
	}
	for key, it := range l.byKey {
		if it.key != key {
			it = &item{key: key, group: it.group, names: it.names, what: it.what, format: it.format}
			l.byKey[key], l.byGroup[it.group] = it, it
		}
	}
}

// inOrder sorts the items: those of old keep their order, new ones are sorted
// and merged in.
func (l *listing) inOrder(old *listing) {
	byKey := func(a, b *item) int { return natural(a.key, b.key) }
	kept := make([]*item, 0, len(old.items))
	for _, it := range old.items {
		if l.byGroup[it.group] == it {
			kept = append(kept, it)
		}
	}
	fresh := make([]*item, 0, len(l.byKey)-len(kept))
	for _, it := range l.byKey {
		if old.byGroup[it.group] != it {
			fresh = append(fresh, it)
		}
	}
	slices.SortFunc(fresh, byKey)
	l.items = make([]*item, 0, len(kept)+len(fresh))
	for len(kept) > 0 && len(fresh) > 0 {
		if byKey(kept[0], fresh[0]) < 0 {
			l.items, kept = append(l.items, kept[0]), kept[1:]
		} else {
			l.items, fresh = append(l.items, fresh[0]), fresh[1:]
		}
	}
	l.items = append(append(l.items, kept...), fresh...)
}
