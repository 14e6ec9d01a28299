package dirtree

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/catalog"
	"github.com/terrazzo-data/terrazzo/internal/source"
)

// index is what searches need to know of all items of a folder. It is immutable.
type index struct {
	l *listing
	// current is what [Tree.list] said of the listing.
	current bool
	known   []known // in the order of the listing's items
	bytes   int64
}

// known is what was learnt of one item, and the state of files that it was
// learnt from.
type known struct {
	// d has the family, the metadata and the specs of the item, and no more.
	d        *adapter.Description
	err      error
	id       adapter.ID
	trusted  bool
	modified time.Time
	// kept says that it holds as long as the files have the same stamps: the
	// item's first one, or files if there are any.
	kept  bool
	stamp adapter.Stamp
	files []adapter.Dependency
}

// version is that of the item's description.
func (k *known) version() adapter.Version {
	return adapter.Version{ID: k.id, Trusted: k.trusted, Modified: k.modified}
}

// candidate is the item at a place.
func (x *index) candidate(i int) catalog.Candidate {
	return catalog.Candidate{Key: x.l.items[i].key, Description: x.known[i].d}
}

// items are all items of the folder as filters and orders look at them. They
// have no adapters.
func (x *index) items() []catalog.Item {
	items := make([]catalog.Item, len(x.known))
	for i, it := range x.l.items {
		k := &x.known[i]
		items[i] = catalog.Item{Key: it.key, Description: k.d, Version: k.version(), Err: k.err}
	}
	return items
}

// indexes hold the indexes of the folders that were searched last.
type indexes struct {
	mu    sync.Mutex
	byAt  map[string]*list.Element
	byUse list.List // of *indexed, the one used last in front
	bytes int64
}

type indexed struct {
	at string
	x  *index
}

// maxIndexed bounds what is held of metadata in all folders. What does not fit
// is asked for again in each search.
const maxIndexed = 96 << 20

func (s *indexes) get(at string) *index {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.byAt[at]
	if !ok {
		return nil
	}
	s.byUse.MoveToFront(e)
	return e.Value.(*indexed).x // the list holds nothing else
}

func (s *indexes) put(at string, x *index) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byAt == nil {
		s.byAt = make(map[string]*list.Element)
	}
	if e, ok := s.byAt[at]; ok {
		s.drop(e)
	}
	s.byAt[at] = s.byUse.PushFront(&indexed{at, x})
	for s.bytes += x.bytes; s.bytes > maxIndexed && s.byUse.Len() > 1; {
		s.drop(s.byUse.Back())
	}
}

// drop forgets a folder. The caller holds mu.
func (s *indexes) drop(e *list.Element) {
	x := s.byUse.Remove(e).(*indexed) // the list holds nothing else
	delete(s.byAt, x.at)
	s.bytes -= x.x.bytes
}

// indexing is the making of one index: which items are known already, and how
// far it is.
type indexing struct {
	tree  *Tree
	f     *folder
	x     *index
	same  map[string]*adapter.Description
	short bool // something did not fit
	// lacking says why an item could not be described now.
	lacking error
}

// build makes the index of a folder as it is now: what is known and has the same
// stamps is taken over, and the rest is described. It goes on with what an
// earlier one that was given up had come to.
func (t *Tree) build(ctx context.Context, at string, p *progress) (*index, error) {
	l, current, err := t.list(ctx, at)
	if err != nil {
		return nil, err
	}
	b := &indexing{
		tree: t, f: &folder{tree: t, at: at},
		x: &index{l: l, current: current, bytes: int64(len(l.items)) * itemBytes}, same: map[string]*adapter.Description{},
	}
	p.all.Store(int64(len(l.items)))
	old := t.indexes.get(at)
	missing, err := b.takeOver(ctx, old)
	if err != nil {
		return nil, err
	}
	p.done.Store(int64(len(l.items) - len(missing)))
	if b.x.known == nil {
		return &index{l: l, current: current, known: old.known, bytes: old.bytes}, nil
	}
	if len(missing) >= fillBatch/4 {
		t.goOn(at, p)
	}
	for len(missing) > 0 {
		part := missing[:min(fillBatch, len(missing))]
		missing = missing[len(part):]
		if err := b.describe(ctx, part); err != nil {
			t.indexes.put(at, b.x) // for whoever goes on
			return nil, err
		}
		p.done.Add(int64(len(part)))
	}
	t.indexes.put(at, b.x)
	p.short.Store(b.short && !t.memory.Persistent())
	return b.x, b.lacking
}

// itemBytes is what an item takes in an index beside its metadata.
const itemBytes = 200

// takeOver fills in what is known of items that are as they were, and returns
// the places of the others.
func (b *indexing) takeOver(ctx context.Context, old *index) (missing []int, err error) {
	l := b.x.l
	names := make([]string, len(l.items))
	for i, it := range l.items {
		names[i] = it.names[0]
	}
	stamps, err := b.tree.wall.StatAll(ctx, b.f.at, names)
	if err != nil {
		return nil, err
	}
	before := old.lookup(l)
	for i := range l.items {
		k := before(i)
		if k == nil || !k.kept || k.files != nil && !b.holds(ctx, i, k) || k.files == nil && k.stamp != stamps[i] {
			missing = append(missing, i)
		}
	}
	if len(missing) == 0 && old != nil && old.l == l {
		return nil, nil // it is the same index
	}
	b.x.known = make([]known, len(l.items))
	next := 0
	for i := range l.items {
		if next < len(missing) && missing[next] == i {
			b.x.known[i].stamp = stamps[i]
			next++
			continue
		}
		k := before(i)
		b.x.known[i] = *k
		b.x.bytes += weigh(k.d.Metadata)
	}
	return missing, nil
}

// lookup returns a function that finds what is known of the item at a place of
// another listing of the same folder, nil if nothing is.
func (x *index) lookup(l *listing) func(i int) *known {
	if x == nil {
		return func(int) *known { return nil }
	}
	if x.l == l {
		return func(i int) *known { return &x.known[i] }
	}
	places := make(map[*item]int, len(x.l.items))
	for i, it := range x.l.items {
		places[it] = i
	}
	return func(i int) *known {
		if at, ok := places[l.items[i]]; ok {
			return &x.known[at]
		}
		return nil
	}
}

// holds looks at the files of an item that has several.
func (b *indexing) holds(ctx context.Context, i int, k *known) bool {
	node, ok := b.tree.node(b.f.at, b.x.l.items[i]).(*source.Node)
	return ok && node.Current(ctx, k.files)
}

// describe fills in the items at the places.
func (b *indexing) describe(ctx context.Context, places []int) error {
	items := make([]catalog.Item, len(places))
	for j, i := range places {
		items[j] = b.f.item(b.x.l.items[i])
	}
	if err := catalog.Describe(ctx, items, 0); err != nil {
		return err
	}
	for j, i := range places {
		if errors.Is(items[j].Err, errdef.ErrUnavailable) {
			b.lacking = items[j].Err
			continue
		}
		b.learn(i, &items[j])
	}
	return nil
}

// learn notes what an item was described to be, and whether that may be kept.
func (b *indexing) learn(i int, it *catalog.Item) {
	k := &b.x.known[i]
	k.d, k.err, k.id, k.trusted, k.modified = b.slim(it.Description), it.Err, it.Version.ID, it.Version.Trusted, it.Version.Modified
	files := it.Description.Files
	_, blob := it.Adapter.(blob)
	switch {
	case !k.trusted || k.stamp.Absent:
	case it.Err == nil && !blob && len(files) == 1 && files[0].Name == b.x.l.items[i].names[0]:
		k.kept = files[0].Stamp == k.stamp
	case it.Err == nil && len(files) > 0 && len(files) <= maxDependencies:
		k.files, k.kept = files, true
	case len(files) == 0 && b.x.l.items[i].format == nil:
		// A plain folder, a file that no format reads, or one that none can:
		// the stamp is older than what was learnt.
		k.kept = it.Err == nil
	}
	if weight := weigh(k.d.Metadata); b.x.bytes+weight > maxIndexed {
		k.kept, b.short = false, true
	} else {
		b.x.bytes += weight
	}
}

// maxDependencies is how many files an item may have that is kept in an index;
// to look at more takes as long as to recall it.
const maxDependencies = 64

// slim is what searches need of a description. Items without metadata of the
// same kind share one.
func (b *indexing) slim(d *adapter.Description) *adapter.Description {
	s := &adapter.Description{Family: d.Family, Metadata: d.Metadata, Specs: d.Specs}
	if len(d.Metadata) > 0 || len(d.Specs) > 0 {
		return s
	}
	if shared, ok := b.same[string(d.Family)]; ok {
		return shared
	}
	b.same[string(d.Family)] = s
	return s
}

// weigh is about how many bytes plain values take in memory.
func weigh(value any) int64 {
	switch v := value.(type) {
	case string:
		return 32 + int64(len(v))
	case []byte:
		return 48 + int64(len(v))
	case []any:
		total := int64(48)
		for _, item := range v {
			total += weigh(item)
		}
		return total
	case map[string]any:
		total := int64(64)
		for key, item := range v {
			total += 48 + int64(len(key)) + weigh(item)
		}
		return total
	}
	return 24
}
