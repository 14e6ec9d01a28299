// Package dirtree is a folder as a tree: as it is now, without registration.
//
// # What is a node, and what is it called
//
// Names and groups are those of `tiled serve directory`: a file's key is its
// name without all suffixes, numbered files of one kind are one array, hidden
// files are left out, a folder is a container unless its own suffix says that
// it is one item. Differences, each on purpose: of two items with the same key
// both are served (the later one, in natural order, under its full file name);
// sequences are in natural order, one for each kind of file; every file is
// served, as bytes if nothing reads it; what cannot be read is listed with the
// reason, and answers with it when it is asked for; what cannot stand in an
// address as clients write it ('#', '?', control characters, bytes that are not
// UTF-8) is %XX in keys.
//
// # Order
//
// A folder is listed by keys in natural order: runs of digits count as
// numbers, everything else by its bytes.
//
// # What a request costs
//
// A listing is remembered with the stamp of its folder; while that stays, a
// request costs one stat for the folder and what the items of its own page
// need. When it changes, the names are read again and compared with what was
// known. Nothing is opened or looked at in order to list it.
package dirtree

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/flight"
	"github.com/terrazzo-data/terrazzo/internal/source"
)

// Options say what a folder is served as. Memory is needed; the rest may be
// left out.
type Options struct {
	// Name is the tree's name, which with a path is an identity that does not
	// depend on where the folder is mounted.
	Name string
	// Formats are what files are read with; of two for the same files the
	// first counts.
	Formats []adapter.Format
	Memory  *source.Memory
	// Allow are folders that links may lead into, Storage says how far stamps
	// are believed.
	Allow   []string
	Storage source.Storage
	// KeepExt makes full file names the keys, as Tiled's --keep-ext does.
	KeepExt bool
	// Ext maps further suffixes (".tif") to media types, IncludeExt leaves out
	// files whose last suffix is not named. Both are Tiled's --ext and
	// --include-ext, except that plain folders are never left out.
	Ext        map[string]string
	IncludeExt []string
	// PageTime bounds how long a page waits for its items (2 s); what is not
	// ready then is listed with that reason. FillTime bounds how long a query
	// on metadata waits for the index (5 s).
	PageTime, FillTime time.Duration
	// MaxNames bounds the file names held of all folders (500,000); the folder
	// used last is held whole in any case.
	MaxNames int
	Log      *slog.Logger
	Recorder source.Recorder
}

// Tree is a folder that is served. It is safe for concurrent use.
type Tree struct {
	opts     Options
	rules    rules
	wall     *source.Wall
	memory   *source.Memory
	log      *slog.Logger
	readings flight.Group[string, *listing]
	listings listings

	life     context.Context //nolint:containedctx // that of what runs in the background
	end      context.CancelFunc
	fills    indexings
	indexing flight.Group[string, *index]
	indexes  indexes
}

// Open makes a tree of a folder. It looks at the folder and at nothing in it,
// however much that is. A folder that is not there is errdef.ErrNotFound.
func Open(root string, opts Options) (*Tree, error) {
	if opts.Memory == nil {
		return nil, fmt.Errorf("tree %s: has no memory for descriptions: %w", opts.Name, errdef.ErrInvalid)
	}
	if opts.PageTime <= 0 {
		opts.PageTime = 2 * time.Second
	}
	if opts.FillTime <= 0 {
		opts.FillTime = 5 * time.Second
	}
	if opts.MaxNames <= 0 {
		opts.MaxNames = 500_000
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	wall, err := source.OpenWall(root, source.WallOptions{Allow: opts.Allow, Storage: opts.Storage, Recorder: opts.Recorder})
	if err != nil {
		return nil, err
	}
	t := &Tree{opts: opts, rules: newRules(opts), wall: wall, memory: opts.Memory, log: opts.Log}
	t.listings.limit = opts.MaxNames
	t.life, t.end = context.WithCancel(context.Background())
	t.fills.running = make(map[string]struct{})
	t.fills.how = make(map[string]*progress)
	return t, nil
}

// Root is the folder itself. It is a catalog.Searcher, as are the folders in it.
func (t *Tree) Root() adapter.Container { return &folder{tree: t, at: "."} }

// Storage says how stamps are judged, guesses filled in.
func (t *Tree) Storage() source.Storage { return t.wall.Storage() }

// Close ends what runs in the background and waits for it. It does not close
// the memory.
func (t *Tree) Close() error {
	t.fills.Lock()
	t.fills.closed = true
	t.fills.Unlock()
	t.end()
	t.fills.all.Wait()
	t.indexing.Wait()
	t.readings.Wait()
	return t.wall.Close()
}
