package source

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"iter"
	"sync"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// pin is the state that one request sees: the stamps of the files that the
// description was learnt from, and of those that the request touches.
// It is immutable once made.
type pin struct {
	d      *adapter.Description
	stamps map[string]adapter.Stamp
	// Names whose stamps are not trusted.
	racy map[string]bool
	// reader opened without files behind it, for what needs none.
	reader any
	// base names what blocks depend on besides their own files.
	base adapter.ID
	// baseTrusted says whether that is trusted.
	baseTrusted bool
}

// holds says whether a file with this stamp is still what was pinned. What is
// only ever appended to may have grown.
func (p *pin) holds(name string, now adapter.Stamp) bool {
	pinned := p.stamps[name]
	return now == pinned || appended(p.d, pinned, now)
}

// pinned makes a version of what d and the touched files are now.
func (n *Node) pinned(ctx context.Context, d *adapter.Description, reader any, touched iter.Seq[string]) (adapter.Version, error) {
	p := &pin{d: d, stamps: make(map[string]adapter.Stamp, len(d.Files)+8), reader: reader}
	names := make([]string, 0, len(d.Files)+8)
	for _, f := range d.Files {
		names = append(names, f.Name)
		p.stamps[f.Name] = f.Stamp
	}
	described := len(names)
	for name := range touched {
		if _, ok := p.stamps[name]; !ok {
			p.stamps[name] = adapter.Stamp{}
			names = append(names, name)
		}
	}
	stamps, err := n.look(ctx, names)
	if err != nil {
		return adapter.Version{}, err
	}
	for i, f := range d.Files {
		if !p.holds(f.Name, stamps[i]) {
			return adapter.Version{}, fmt.Errorf("%s: %w", n.item.Path, errdef.ErrChanged)
		}
	}
	h := sha256.New()
	id := n.identify(d)
	_, _ = h.Write(id[:])
	v := adapter.Version{Trusted: true, Pin: p}
	p.baseTrusted = true
	for i, name := range names {
		p.stamps[name] = stamps[i]
		if !n.wall.Trusted(within(n.item.Dir, name), stamps[i]) {
			if p.racy == nil {
				p.racy = map[string]bool{}
			}
			p.racy[name] = true
			v.Trusted = false
			p.baseTrusted = p.baseTrusted && i >= described
		}
		hashFile(h, name, stamps[i])
		if at := stamps[i].Modified(); !stamps[i].Absent && at.After(v.Modified) {
			v.Modified = at
		}
	}
	p.base = id
	if d.AppendOnly {
		p.base, p.baseTrusted = n.lasting(d), true
	}
	v.ID = adapter.ID(h.Sum(nil)[:16])
	return v, nil
}

// lookers is how many files are looked at a time when there are many.
const lookers = 8

// look takes the stamps of files; one that is not there is Absent.
func (n *Node) look(ctx context.Context, names []string) ([]adapter.Stamp, error) {
	stamps := make([]adapter.Stamp, len(names))
	errs := make([]error, len(names))
	one := func(i int) {
		stamp, _, err := n.wall.Stat(ctx, within(n.item.Dir, names[i]))
		if errors.Is(err, errdef.ErrNotFound) || errors.Is(err, errdef.ErrGone) {
			stamp, err = adapter.Stamp{Absent: true}, nil
		}
		stamps[i], errs[i] = stamp, err
	}
	if len(names) < 8*lookers {
		for i := range names {
			one(i)
		}
		return stamps, errors.Join(errs...)
	}
	var all sync.WaitGroup
	for part := range lookers {
		all.Go(func() {
			for i := part; i < len(names); i += lookers {
				one(i)
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err // the first will do: there may be a million
		}
	}
	return stamps, nil
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
		hashFile(h, name, p.stamps[name])
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
