package server

import (
	"fmt"
	"strings"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/internal/catalog/dirtree"
	"github.com/terrazzo-data/terrazzo/internal/config"
	"github.com/terrazzo-data/terrazzo/internal/formats/sequence"
)

// joinedFiles are files as one array, and as files.
type joinedFiles struct {
	*sequence.Joined
	*dirtree.Glob
}

// joined makes one array of the files that a tree's pattern matches.
func (s *Server) joined(t config.Tree) (adapter.Adapter, error) {
	tree, err := s.openFolder(t)
	if err != nil {
		return nil, err
	}
	dataset := strings.FieldsFunc(t.Args.Dataset, func(r rune) bool { return r == '/' })
	files, err := tree.Glob(t.Args.Files, dataset)
	if err != nil {
		return nil, err
	}
	storage := tree.Storage()
	s.notes = append(s.notes, fmt.Sprintf("%s: %s in %s as one array, storage %s: a file is trusted %s after its last change", t.Path, t.Args.Files, t.Args.Directory, storage.Consistency, storage.TrustAfter))
	return joinedFiles{sequence.Join(sequence.Joining{
		Name: t.Path, Stack: t.Args.Join != "concatenate", Axis: t.Args.Axis, Members: files.Members,
	}), files}, nil
}
