// SPDX-License-Identifier: BSD-3-Clause

// Package offline keeps nodes of a Tiled server in a folder, and serves them again
// without it: what `terrazzo download` writes, and `terrazzo --offline` and `terrazzo
// offline serve` read.
//
// What is kept is not answers but what they are made of: the documents of nodes, the
// blocks of arrays, the partitions of tables, and files. Served again it is one more
// tree under the API (internal/httpapi), so everything that can be asked of a server can
// be asked here: any slice that lies within the blocks, any format, searches, links that
// lead back here. What was not downloaded is errdef.ErrNotFound, and says so.
//
// # The folder
//
//	<library>/<server>/server.json          address and principal
//	<library>/<server>/nodes/<node>/node    the document, and what is below
//	<library>/<server>/nodes/<node>/s…/0.3  a block, or a partition
//	<library>/<server>/nodes/<node>/next/   those of a download that is not done
//	<library>/<server>/nodes/<node>/a1-…    a file
//
// <server> is a digest of address and principal, <node> of the path. Each file is a part
// (see part.go): written beside its place and renamed into it, checked by its checksum
// when it is read. There is no index that could disagree: the document names the folder
// of the node's data (see settle.go), whose parts were all true at one time. Nothing is ever given up:
// downloads are the user's, and `terrazzo cache remove` removes them.
package offline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// Library is a folder of downloads. It may be used by several processes at a time.
type Library struct{ dir string }

// Open opens the library in dir, which need not be there yet.
func Open(dir string) *Library { return &Library{dir: dir} }

// Server is what is held of one server for one principal.
type Server struct {
	dir string
	// API is the server's address as [client.Client.URL] gives it; Principal is who
	// downloaded.
	API       string `json:"api"`
	Principal string `json:"principal"`
}

func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:12])
}

// serverFile names the server that a folder is of.
const serverFile = "server.json"

// Server finds what is held of a server for a principal. Nothing is errdef.ErrNotFound.
func (l *Library) Server(api, principal string) (*Server, error) {
	s, err := readServer(filepath.Join(l.dir, digest(api, principal)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("nothing was downloaded from %s as %s: %w", api, principal, errdef.ErrNotFound)
	}
	return s, err
}

// Create is [Library.Server] for who is about to download.
func (l *Library) Create(api, principal string) (*Server, error) {
	s := &Server{dir: filepath.Join(l.dir, digest(api, principal)), API: api, Principal: principal}
	if err := os.MkdirAll(filepath.Join(s.dir, "nodes"), 0o700); err != nil {
		return nil, fmt.Errorf("downloads: %w", err)
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("downloads: %w", err)
	}
	return s, writeWhole(filepath.Join(s.dir, serverFile), func(f *os.File) error {
		_, err := f.Write(append(text, '\n'))
		return err
	})
}

func readServer(dir string) (*Server, error) {
	text, err := os.ReadFile(filepath.Join(dir, serverFile))
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("downloads: %s: %w: %w", dir, err, errdef.ErrUnprocessable)
	}
	return s, nil
}

// Servers lists what is held.
func (l *Library) Servers() ([]*Server, error) {
	entries, err := os.ReadDir(l.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("downloads: %w", err)
	}
	var out []*Server
	for _, e := range entries {
		s, err := readServer(filepath.Join(l.dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// Remove forgets what is held of the server.
func (s *Server) Remove() error {
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("downloads: %w", err)
	}
	return nil
}

// nodeDir is where the node at path lies.
func (s *Server) nodeDir(path []string) string {
	return filepath.Join(s.dir, "nodes", digest(path...))
}

// Walk visits every node that is held, a container before its members.
func (s *Server) Walk(ctx context.Context, visit func(Held) error) error {
	return s.walk(ctx, nil, visit)
}

func (s *Server) walk(ctx context.Context, path []string, visit func(Held) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	rec, err := s.load(path)
	if err != nil {
		return err
	}
	held, err := s.held(rec)
	if err == nil {
		err = visit(held)
	}
	if err != nil {
		return err
	}
	for _, key := range rec.Children {
		if err := s.walk(ctx, child(path, key), visit); err != nil && !errors.Is(err, errdef.ErrNotFound) {
			return err
		}
	}
	return nil
}

func child(path []string, key string) []string {
	return append(append(make([]string, 0, len(path)+1), path...), key)
}
