// SPDX-License-Identifier: BSD-3-Clause

package offline

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// The parts of a node lie in a folder that never changes once the node's record names
// it: its set. The next set grows in a folder beside it, from links to what did not
// change and from what was fetched, and takes its place when all of it was true at one
// time: when, after the last body came, each part was asked about once more and none had
// changed. What breaks off leaves the old set as it was, and the new one to go on with.

const (
	// staging is where the next set grows, setPrefix how sets are called.
	staging   = "next"
	setPrefix = "s"
	// maxRounds bounds how often a node that changes meanwhile is asked about anew.
	maxRounds = 4
)

// part is one body that belongs to a node: the name of its file, how to ask for it, and
// what it must be.
type part struct {
	name     string
	question client.Question
	check    func(context.Context, []byte) error
}

// settle fetches the parts of a node as they are at one time and returns the name of
// their set, which commit makes the node's. errdef.ErrChanged says that there was no
// such time.
func (d *download) settle(ctx context.Context, n *client.Node, parts []part) (set string, err error) {
	dir := d.s.nodeDir(n.Path)
	next := filepath.Join(dir, staging)
	if err := os.MkdirAll(next, 0o700); err != nil {
		return "", fmt.Errorf("downloads: %w", err)
	}
	unlock, err := lockNode(dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	held := ""
	if rec, err := d.s.load(n.Path); err == nil {
		held = rec.Set
	}
	d.known.Add(int64(len(parts)))
	f := &filling{d: d, n: n, held: filepath.Join(dir, held), next: next}
	for round := range maxRounds {
		f.first = round == 0
		changed, err := f.pass(ctx, parts)
		if err != nil {
			return "", err
		}
		if changed == 0 || len(parts) == 1 {
			return f.take(dir, held, parts)
		}
	}
	if err := os.RemoveAll(next); err != nil {
		return "", fmt.Errorf("downloads: %w", err)
	}
	return "", d.changing(n)
}

// changing is the error for a node that does not keep still.
func (*download) changing(n *client.Node) error {
	return fmt.Errorf("%s: the server changed it %d times during the download; what was held of it before is kept, download it again when the run is over: %w", n, maxRounds, errdef.ErrChanged)
}

// lockNode keeps other processes from the staging folder of a node. A file system that
// has no locks has no such other process either, as far as can be known.
func lockNode(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("downloads: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("downloads: another process is downloading this node; wait for it: %w", errdef.ErrConflict), f.Close())
	}
	return func() { _ = f.Close() }, nil // which gives up the lock
}

// filling is a set in the making.
type filling struct {
	d          *download
	n          *client.Node
	held, next string
	// first: the parts are counted in this pass.
	first bool
}

// pass asks about each part and says how many had to be fetched.
func (f *filling) pass(ctx context.Context, parts []part) (int64, error) {
	var changed atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(f.d.want.Parallel)
	for _, p := range parts {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			same, err := f.part(ctx, p)
			if err == nil && !same {
				changed.Add(1)
			}
			return err
		})
	}
	err := group.Wait()
	return changed.Load(), err
}

// part fetches a body if it is another than what is held. Bodies are checked before
// they are kept.
func (f *filling) part(ctx context.Context, p part) (same bool, err error) {
	path := filepath.Join(f.next, p.name)
	before, held := f.before(ctx, p, path)
	if held {
		p.question.Held = before.ETag
	}
	reply, err := f.n.Ask(ctx, p.question)
	if err != nil {
		return false, err
	}
	if same = reply.Same; !same {
		if err := p.check(ctx, reply.Body); err != nil {
			return false, err
		}
		f.d.bytes.Add(int64(len(reply.Body)))
		h := partHeader{ETag: reply.ETag, ContentType: reply.ContentType, Fetched: time.Now().UTC()}
		if err := writePart(path, h, reply.Body); err != nil {
			return false, err
		}
		sum := sha256.Sum256(reply.Body)
		same = held && bytes.Equal(sum[:], before.SHA256) // by another tag, or by none
	}
	if f.first {
		if f.d.parts.Add(1); same {
			f.d.same.Add(1)
		}
	}
	f.d.report(f.n.String(), "")
	return same, nil
}

// before is what is held of a part: of a download that broke off, else of the node.
func (f *filling) before(ctx context.Context, p part, path string) (partHeader, bool) {
	h, body, err := readPart(path)
	if errors.Is(err, fs.ErrNotExist) {
		old := filepath.Join(f.held, p.name)
		if h, body, err = readPart(old); err == nil {
			err = link(old, path, h, body)
		}
	}
	return h, err == nil && p.check(ctx, body) == nil
}

// link puts a part into another folder too, as a copy where there are no links.
func link(old, path string, h partHeader, body []byte) error {
	if os.Link(old, path) == nil {
		return nil
	}
	return writePart(path, h, body)
}

// take names the set that was filled: the old one, if it is that.
func (f *filling) take(dir, held string, parts []part) (string, error) {
	names := make(map[string]bool, len(parts))
	before, err := os.ReadDir(f.held)
	same := held != "" && err == nil && len(before) == len(parts)
	for _, p := range parts {
		names[p.name] = true
		if same {
			a, failed := os.Lstat(filepath.Join(f.held, p.name))
			b, err := os.Lstat(filepath.Join(f.next, p.name))
			same = failed == nil && err == nil && os.SameFile(a, b)
		}
	}
	entries, err := os.ReadDir(f.next)
	if err != nil {
		return "", fmt.Errorf("downloads: %w", err)
	}
	for _, e := range entries {
		if !names[e.Name()] { // of a download of more that broke off: nobody asked about it now
			if err := os.Remove(filepath.Join(f.next, e.Name())); err != nil {
				return "", fmt.Errorf("downloads: %w", err)
			}
		}
	}
	if same {
		if err := os.RemoveAll(f.next); err != nil {
			return "", fmt.Errorf("downloads: %w", err)
		}
		return held, nil
	}
	set := setPrefix + strconv.FormatInt(time.Now().UnixNano(), 36)
	if err := os.Rename(f.next, filepath.Join(dir, set)); err != nil {
		return "", fmt.Errorf("downloads: %w", err)
	}
	return set, nil
}

// commit makes a set the node's, in one step, and removes the others.
func (d *download) commit(n *client.Node, set string, change func(*record)) error {
	err := d.keep(n, func(rec *record) {
		rec.Set = set
		change(rec)
	})
	if err != nil {
		return err
	}
	dir := d.s.nodeDir(n.Path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("downloads: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), setPrefix) && e.Name() != set {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("downloads: %w", err)
			}
		}
	}
	return nil
}
