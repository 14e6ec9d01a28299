package source

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"iter"
	"slices"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// pin is the state that one request sees: the stamps of the files that the
// description was learnt from, and of those that the request touches.
// It is immutable once made.
type pin struct {
	d      *adapter.Description
	stamps stampSet
	// Names whose stamps are not trusted.
	racy map[string]bool
	// reader opened without files behind it, for what needs none.
	reader any
	// base names what blocks depend on besides their own files.
	base adapter.ID
	// baseTrusted says whether that is trusted.
	baseTrusted bool
}

// stampSet has the stamps of files by name.
type stampSet struct {
	names  []string
	stamps []adapter.Stamp
	index  map[string]int // nil for few
}

func newStampSet(names []string, stamps []adapter.Stamp) stampSet {
	s := stampSet{names: names, stamps: stamps}
	if len(names) > fewFiles {
		s.index = make(map[string]int, len(names))
		for i, name := range names {
			s.index[name] = i
		}
	}
	return s
}

func (s *stampSet) of(name string) (adapter.Stamp, bool) {
	i, ok := s.index[name]
	if s.index == nil {
		i = slices.Index(s.names, name)
		ok = i >= 0
	}
	if !ok {
		return adapter.Stamp{}, false
	}
	return s.stamps[i], true
}

// holds says whether a file with this stamp is still what was pinned. What is
// only ever appended to may have grown.
func (p *pin) holds(name string, now adapter.Stamp) bool {
	pinned, _ := p.stamps.of(name)
	return now == pinned || appended(p.d, pinned, now)
}

// pinned makes a version of what d and the touched files are now.
func (n *Node) pinned(ctx context.Context, d *adapter.Description, reader any, touched iter.Seq[string]) (adapter.Version, error) {
	p := &pin{d: d, reader: reader}
	names := make([]string, 0, len(d.Files)+1)
	for _, f := range d.Files {
		names = append(names, f.Name)
	}
	known := len(names)
	names = distinct(names, touched, maxTouched)
	if len(names) > maxTouched {
		return adapter.Version{}, fmt.Errorf("%s: what was asked for lies in more than %d files; ask for less at a time: %w", n.item.Path, maxTouched, errdef.ErrInvalid)
	}
	if err := ctx.Err(); err != nil {
		return adapter.Version{}, err
	}
	stamps, err := n.look(ctx, names)
	if err != nil {
		return adapter.Version{}, err
	}
	for i, f := range d.Files {
		if now := stamps[i]; now != f.Stamp && !appended(d, f.Stamp, now) {
			looksOf(ctx).end()
			return adapter.Version{}, fmt.Errorf("%s: %w", n.item.Path, errdef.ErrChanged)
		}
	}
	p.stamps = newStampSet(names, stamps)
	return n.versionOf(p, known), nil
}

// fewFiles is up to how many files a list is searched from its beginning.
const fewFiles = 8

// maxTouched bounds the files that one request may touch: each costs a look at
// it, and some hundred bytes while the request lasts.
const maxTouched = 2_000_000

// distinct adds to names what they lack of touched, which may be a million. It
// stops when there are more than most.
func distinct(names []string, touched iter.Seq[string], most int) []string {
	var have map[string]struct{} // once they are not few
	for name := range touched {
		if len(names) > most {
			break
		}
		if have == nil && len(names) > fewFiles {
			have = make(map[string]struct{}, 2*len(names))
			for _, known := range names {
				have[known] = struct{}{}
			}
		}
		if have == nil {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
			continue
		}
		if _, ok := have[name]; !ok {
			have[name] = struct{}{}
			names = append(names, name)
		}
	}
	return names
}

// versionOf is the version of a pin, of whose files the first so many are those
// of the description.
func (n *Node) versionOf(p *pin, described int) adapter.Version {
	h := sha256.New()
	id := n.identify(p.d)
	_, _ = h.Write(id[:])
	v := adapter.Version{Trusted: true, Pin: p}
	p.baseTrusted = true
	for i, name := range p.stamps.names {
		stamp := p.stamps.stamps[i]
		if !n.wall.Trusted(within(n.item.Dir, name), stamp) {
			if p.racy == nil {
				p.racy = map[string]bool{}
			}
			p.racy[name] = true
			v.Trusted = false
			p.baseTrusted = p.baseTrusted && i >= described
		}
		hashFile(h, name, stamp)
		if at := stamp.Modified(); !stamp.Absent && at.After(v.Modified) {
			v.Modified = at
		}
	}
	p.base = id
	if p.d.AppendOnly {
		p.base, p.baseTrusted = n.lasting(p.d), true
	}
	v.ID = adapter.ID(h.Sum(nil)[:16])
	return v
}

func hashFile(h hash.Hash, name string, s adapter.Stamp) {
	var b [8*4 + 2]byte
	binary.LittleEndian.PutUint64(b[0:], s.Inode)
	binary.LittleEndian.PutUint64(b[8:], uint64(s.Size))
	binary.LittleEndian.PutUint64(b[16:], uint64(s.Mtime))
	binary.LittleEndian.PutUint64(b[24:], uint64(s.Ctime))
	if s.Absent {
		b[32] = 1
	}
	hashText(h, name)
	_, _ = h.Write(b[:])
}

// hashText writes texts so that no two lists of them write the same.
func hashText(h hash.Hash, texts ...string) {
	var n [8]byte
	for _, t := range texts {
		binary.LittleEndian.PutUint64(n[:], uint64(len(t)))
		_, _ = h.Write(n[:])
		_, _ = h.Write([]byte(t))
	}
}

// identify names a description: what it is of, and the stamps of the files it
// was learnt from.
func (n *Node) identify(d *adapter.Description) adapter.ID {
	h := sha256.New()
	_, _ = h.Write(n.key[:])
	for _, f := range d.Files {
		hashFile(h, f.Name, f.Stamp)
	}
	return adapter.ID(h.Sum(nil)[:16])
}

// lasting names what the blocks of something that only grows have in common
// as long as it does.
func (n *Node) lasting(d *adapter.Description) adapter.ID {
	h := sha256.New()
	hashText(h, "lasting", n.item.Tree, n.item.Path, n.format.Kind().Name)
	hashText(h, n.inside...)
	if d.Array != nil {
		hashText(h, d.Array.DataType.String())
		hashInts(h, d.Grid.Block)
	}
	if d.Table != nil {
		for i := range d.Table.Schema.NumFields() {
			f := d.Table.Schema.Field(i)
			hashText(h, f.Name, f.Type.String())
		}
	}
	return adapter.ID(h.Sum(nil)[:16])
}

func hashInts(h hash.Hash, values []int64) {
	var b [8]byte
	for _, v := range append([]int64{int64(len(values))}, values...) {
		binary.LittleEndian.PutUint64(b[:], uint64(v))
		_, _ = h.Write(b[:])
	}
}

// block names the state of one block: the base, which one it is, and the
// stamps of the files it is read from.
func (p *pin) block(touched iter.Seq[string], which ...int64) adapter.BlockID {
	h := sha256.New()
	_, _ = h.Write(p.base[:])
	hashInts(h, which)
	trusted := p.baseTrusted
	for name := range touched {
		stamp, _ := p.stamps.of(name)
		hashFile(h, name, stamp)
		trusted = trusted && !p.racy[name]
	}
	return adapter.BlockID{ID: adapter.ID(h.Sum(nil)[:16]), Trusted: trusted}
}

// pinOf takes the pin out of a version that this package gave.
func pinOf(v adapter.Version) (*pin, error) {
	p, ok := v.Pin.(*pin)
	if !ok {
		return nil, fmt.Errorf("the version was not given by this adapter: %w", errdef.ErrInvalid)
	}
	return p, nil
}

// measured completes the cost that a format left empty.
func measured(given, ours adapter.Cost) adapter.Cost {
	if given == (adapter.Cost{}) {
		return ours
	}
	return given
}
