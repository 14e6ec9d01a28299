// SPDX-License-Identifier: BSD-3-Clause

package offline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/document"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Wanted says what to download.
type Wanted struct {
	// Slice restricts arrays to the blocks that it touches.
	Slice string
	// Depth is how far below the node to go: 0 is the node alone, less is all the way.
	Depth int
	// Where restricts the members of the node itself, if it is a container.
	Where []client.Query
	// Assets fetches the files behind each node too.
	Assets bool
	// MetadataOnly leaves data out.
	MetadataOnly bool
	// MaxBytes bounds what may be fetched of data, as they are in memory; 0 is no bound.
	// An array that would exceed it is errdef.ErrTooLarge before anything of it is fetched.
	MaxBytes int64
	// Parallel is how many requests are under way at a time; 0 is 8.
	Parallel int
	// Report is told after each part and node; nil is nobody. It must be safe for concurrent
	// use.
	Report func(Progress)
}

// Progress is how far a download has come.
type Progress struct {
	Nodes, Parts, Same, Bytes int64
	// Known is how many parts there are of the nodes that were looked at so far.
	Known int64
	// Path is the node at work, Skipped why one was left out, or "".
	Path, Skipped string
}

// download is one download.
type download struct {
	s                                *Server
	want                             Wanted
	nodes, parts, same, bytes, known atomic.Int64
	// planned is what arrays of so far take in memory, left what could not be fetched.
	planned int64
	left    []error
}

// Download fetches a node, what lies below it and the way to it. What is held already is
// asked about with its entity tag and fetched only if it changed. Nodes of families that
// cannot be kept (sparse, awkward, ragged) are reported and left out.
//
// What is held of a node is one state of the server's: the parts were all true at one
// time. A node that the server changes again and again meanwhile keeps the state that was
// held before, or none. Such a node, and one that the server cannot give, is reported;
// the download goes on with the others, and returns their errors at the end (of the
// former errdef.ErrChanged).
func (s *Server) Download(ctx context.Context, c *client.Client, path []string, want Wanted) (Progress, error) {
	if want.Parallel <= 0 {
		want.Parallel = client.DefaultParallel
	}
	d := &download{s: s, want: want}
	for i := range path {
		above, err := c.OpenPath(ctx, path[:i])
		if err == nil {
			err = d.keep(above, func(rec *record) { rec.add(path[i]) })
		}
		if err != nil {
			return d.progress(""), err
		}
	}
	n, err := c.OpenPath(ctx, path)
	if err == nil {
		err = d.member(ctx, n, want.Depth)
	}
	return d.progress(""), errors.Join(append(d.left, err)...)
}

// member fetches a node. What concerns it alone is no reason to leave the others out.
func (d *download) member(ctx context.Context, n *client.Node, depth int) error {
	err := d.node(ctx, n, depth)
	if err == nil || ctx.Err() != nil || !single(err) {
		return err
	}
	d.report(n.String(), "left out: "+err.Error())
	d.left = append(d.left, err)
	return nil
}

// single tells of errors that concern one node.
func single(err error) bool {
	var refused *client.Error
	switch {
	case errors.Is(err, errdef.ErrUnavailable), errors.Is(err, errdef.ErrUnauthenticated), errors.Is(err, errdef.ErrLimited):
		return false
	case errors.Is(err, errdef.ErrChanged), errors.Is(err, errdef.ErrUnprocessable), errors.Is(err, errdef.ErrUnsupported):
		return true
	}
	return errors.As(err, &refused)
}

func (d *download) progress(path string) Progress {
	return Progress{Nodes: d.nodes.Load(), Parts: d.parts.Load(), Same: d.same.Load(), Bytes: d.bytes.Load(), Known: d.known.Load(), Path: path}
}

func (d *download) report(path, skipped string) {
	if d.want.Report != nil {
		p := d.progress(path)
		p.Skipped = skipped
		d.want.Report(p)
	}
}

// add notes a member.
func (r *record) add(key string) {
	if !slices.Contains(r.Children, key) {
		r.Children = append(r.Children, key)
	}
}

// keep writes the document of a node, with what is known of it from before.
func (d *download) keep(n *client.Node, change func(*record)) error {
	rec, err := d.s.load(n.Path)
	if err != nil {
		rec = &record{Path: slices.Clone(n.Path)}
		if rec.Path == nil {
			rec.Path = []string{}
		}
	}
	rec.node, rec.fetched = n, time.Now().UTC()
	if rec.document, err = document.AppendMsgpack(nil, n.Document); err != nil {
		return fmt.Errorf("%s: %w", n, err)
	}
	change(rec)
	return d.s.save(rec)
}

// node fetches one node and depth levels below it.
func (d *download) node(ctx context.Context, n *client.Node, depth int) (err error) {
	switch n.Family {
	case structure.FamilyContainer:
		err = d.container(ctx, n, depth)
	case structure.FamilyArray:
		err = d.sliced(ctx, n)
	case structure.FamilyTable:
		err = d.table(ctx, n)
	case structure.FamilyBytes:
		err = d.keep(n, func(*record) {})
	default:
		d.report(n.String(), fmt.Sprintf("nodes of family %s cannot be kept", n.Family))
		return nil
	}
	if err == nil && (d.want.Assets || n.Family == structure.FamilyBytes) && !d.want.MetadataOnly {
		err = d.assets(ctx, n)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", n, err)
	}
	d.nodes.Add(1)
	d.report(n.String(), "")
	return nil
}

func (d *download) container(ctx context.Context, n *client.Node, depth int) error {
	if depth == 0 {
		return d.keep(n, func(*record) {})
	}
	c, err := n.Container()
	if err != nil {
		return err
	}
	listing := c.Members()
	if len(d.want.Where) > 0 {
		listing, d.want.Where = c.Search(d.want.Where...), nil // of the node itself, not of what is below
	}
	var keys []string
	err = d.members(ctx, listing, depth, &keys)
	// Also of a download that broke off: what came so far is there.
	kept := d.keep(n, func(rec *record) {
		before := rec.Children
		rec.Children = keys
		for _, key := range before {
			rec.add(key)
		}
	})
	return errors.Join(err, kept)
}

func (d *download) members(ctx context.Context, listing *client.Listing, depth int, keys *[]string) error {
	for member, err := range listing.All(ctx) {
		if err != nil {
			return err
		}
		err = d.member(ctx, member, depth-1)
		if holds(filepath.Join(d.s.nodeDir(member.Path), nodeFile)) {
			*keys = append(*keys, member.Key())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Refresh asks about everything that is held of a server, as [Server.Download] does, and
// fetches what changed: of arrays the blocks that are held. Nodes that are gone are
// reported and kept.
func (s *Server) Refresh(ctx context.Context, c *client.Client, want Wanted) (Progress, error) {
	d := &download{s: s, want: want}
	if d.want.Parallel <= 0 {
		d.want.Parallel = client.DefaultParallel
	}
	err := s.Walk(ctx, func(h Held) error {
		n, err := c.OpenPath(ctx, h.Path)
		if errors.Is(err, errdef.ErrNotFound) {
			d.report("/"+strings.Join(h.Path, "/"), "the server has it no more; it is kept")
			return nil
		}
		if err == nil {
			err = d.refresh(ctx, n)
		}
		if err != nil && ctx.Err() == nil && single(err) {
			d.report(n.String(), "not refreshed: "+err.Error())
			d.left, err = append(d.left, err), nil
		}
		return err
	})
	return d.progress(""), errors.Join(append(d.left, err)...)
}

// refresh asks about the parts of a node that are held.
func (d *download) refresh(ctx context.Context, n *client.Node) error {
	rec, err := d.s.load(n.Path)
	if err != nil {
		return err
	}
	switch {
	case rec.Set != "" && n.ArrayStructure != nil:
		err = d.array(ctx, n, nil)
	case rec.Set != "" && n.TableStructure != nil:
		err = d.table(ctx, n)
	case rec.Set != "":
		err = fmt.Errorf("it was of the family %s and is a %s now; remove it and download it again: %w", rec.node.Family, n.Family, errdef.ErrChanged)
	default:
		err = d.keep(n, func(*record) {})
	}
	if err == nil && len(rec.Assets) > 0 {
		err = d.assets(ctx, n)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", n, err)
	}
	d.nodes.Add(1)
	return nil
}
