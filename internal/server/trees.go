package server

import (
	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/internal/catalog"
	"github.com/terrazzo-data/terrazzo/internal/config"
	"github.com/terrazzo-data/terrazzo/internal/demo"
)

// trees opens all trees and mounts them; a single one at / is the root itself.
func (s *Server) trees() (adapter.Adapter, error) {
	if len(s.config.Trees) == 1 && (s.config.Trees[0].Path == "/" || s.config.Trees[0].Path == "") {
		return s.tree(s.config.Trees[0])
	}
	mounts := make([]catalog.Mount, 0, len(s.config.Trees))
	for _, t := range s.config.Trees {
		root, err := s.tree(t)
		if err != nil {
			return nil, err
		}
		mounts = append(mounts, catalog.Mount{Path: t.Path, Root: root})
	}
	return catalog.NewMounts(mounts)
}

func (s *Server) tree(t config.Tree) (adapter.Adapter, error) {
	switch t.Tree {
	case "demo":
		return demo.Tree(), nil
	case "join":
		return s.joined(t)
	}
	return s.folder(t)
}
