package server

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/internal/catalog/dirtree"
	"github.com/terrazzo-data/terrazzo/internal/config"
	"github.com/terrazzo-data/terrazzo/internal/source"
)

// describeBytes is what descriptions may take of the program's own share.
const describeBytes = 64 << 20

// folder opens one folder as a tree.
func (s *Server) folder(t config.Tree) (adapter.Adapter, error) {
	tree, err := s.openFolder(t)
	if err != nil {
		return nil, err
	}
	storage := tree.Storage()
	s.notes = append(s.notes, fmt.Sprintf("%s: %s, storage %s: a file is trusted %s after its last change", t.Path, t.Args.Directory, storage.Consistency, storage.TrustAfter))
	return tree.Root(), nil
}

func (s *Server) openFolder(t config.Tree) (*dirtree.Tree, error) {
	memory, err := s.descriptions()
	if err != nil {
		return nil, err
	}
	formats, err := s.formats()
	if err != nil {
		return nil, err
	}
	tree, err := dirtree.Open(t.Args.Directory, dirtree.Options{
		Name: t.Path, Formats: formats, Memory: memory, Allow: t.Args.ReadableStorage,
		Storage: source.Storage{
			Consistency: source.Consistency(t.Args.Storage.Consistency), Revalidate: source.Revalidate(t.Args.Storage.Revalidate),
			TrustAfter: time.Duration(t.Args.Storage.TrustAfter * float64(time.Second)),
		},
		KeepExt: t.Args.KeepExt, Ext: t.Args.Ext, IncludeExt: t.Args.IncludeExt, Log: s.log, Recorder: s.files,
	})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, tree.Close)
	return tree, nil
}

// descriptions is the memory of what was learnt about files, one for all trees.
func (s *Server) descriptions() (*source.Memory, error) {
	if s.memory != nil {
		return s.memory, nil
	}
	state, err := stateDir(s.config.Own.State)
	if err != nil {
		return nil, err
	}
	s.memory = source.NewMemory(source.MemoryOptions{StateDir: state, Salt: s.program.Version, Bytes: describeBytes, Log: s.log, Recorder: s.files})
	s.closers = append(s.closers, s.memory.Close)
	return s.memory, nil
}

// stateDir is the folder that was named, none, or the user's own: what can be
// learnt again belongs under the cache home of the XDG base directories.
func stateDir(named string) (string, error) {
	switch named {
	case "none":
		return "", nil
	case "":
		home, err := os.UserCacheDir()
		if err != nil {
			return "", nil //nolint:nilerr // no home: in memory alone
		}
		return filepath.Join(home, "terrazzo"), nil
	}
	return filepath.Abs(named)
}

// fileCounts counts what is asked of file systems.
type fileCounts struct {
	counts [source.RecallsDisk + 1]atomic.Int64
}

// Count implements [source.Recorder].
func (f *fileCounts) Count(what source.Op, n int64) { f.counts[what].Add(n) }

// register shows the counts as metrics.
func (s *Server) registerFiles() error {
	for op := source.Opens; op <= source.RecallsDisk; op++ {
		count := &s.files.counts[op]
		err := s.Telemetry.Counter("terrazzo_files_"+op.String()+"_total", "Work on files and on what is remembered of them: "+op.String()+".",
			func() float64 { return float64(count.Load()) })
		if err != nil {
			return err
		}
	}
	return nil
}

// Progress is how far [Index] has come.
type Progress = dirtree.Progress

// Index looks into all files of the configuration's folders and remembers what
// they are, so that searches by metadata need not wait. progress may be nil.
func Index(ctx context.Context, s *Server, progress func(Progress)) error {
	for _, t := range s.config.Trees {
		if t.Tree == "demo" {
			continue
		}
		if t.Tree == "join" {
			node, err := s.joined(t)
			if err == nil {
				_, _, err = node.Describe(ctx)
			}
			if err != nil {
				return err
			}
			continue
		}
		tree, err := s.openFolder(t)
		if err != nil {
			return err
		}
		if err := tree.Fill(ctx, progress); err != nil {
			return err
		}
	}
	return nil
}
