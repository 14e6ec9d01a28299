// SPDX-License-Identifier: BSD-3-Clause

package offline

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/ipcmeta"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// record is what is held of one node.
type record struct {
	Path []string `json:"path"`
	// Children are the members that were downloaded, in the server's order.
	Children []string `json:"children,omitempty"`
	// Set is the folder of the parts that are held, "" if there are none: blocks of an array,
	// partitions of a table, all of one state of the server's.
	Set string `json:"set,omitempty"`
	// Block is the grid in which an array's data are kept.
	Block []int64 `json:"block,omitempty"`
	// Partitions are those of a table; one that is not held has no rows.
	Partitions []adapter.Partition `json:"partitions,omitempty"`
	// Schema is that of a table's partitions as they came: servers advertise other types
	// than they send (text as large text). An Arrow message, or nil for the advertised one.
	Schema []byte  `json:"schema,omitempty"`
	Assets []asset `json:"assets,omitempty"`

	node     *client.Node
	document []byte
	etag     string
	fetched  time.Time
}

// asset is a file, or a folder of files, that was downloaded with a node.
type asset struct {
	URI       string   `json:"uri"`
	Directory bool     `json:"directory,omitempty"`
	Size      int64    `json:"size"`
	MediaType string   `json:"media_type,omitempty"`
	Files     []string `json:"files,omitempty"`
}

const (
	nodeFile = "node"
	msgpack  = "application/x-msgpack"
)

// load reads what is held of the node at path. Nothing is errdef.ErrNotFound.
func (s *Server) load(path []string) (*record, error) {
	h, document, err := readPart(filepath.Join(s.nodeDir(path), nodeFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notHeld(path, "the node")
	}
	if err != nil {
		return nil, err
	}
	if h.Node == nil || !slices.Equal(h.Node.Path, path) {
		return nil, fmt.Errorf("downloads: /%s: another node lies in its place: %w", strings.Join(path, "/"), errdef.ErrUnprocessable)
	}
	rec := h.Node
	rec.document, rec.etag, rec.fetched = document, h.ETag, h.Fetched
	if rec.node, err = client.ParseNode(path, msgpack, document); err != nil {
		return nil, fmt.Errorf("downloads: %w", err)
	}
	return rec, rec.adopt()
}

// adopt makes the types of the partitions those of the table.
func (r *record) adopt() error {
	if r.Schema == nil || r.node.TableStructure == nil {
		return nil
	}
	if _, err := ipcmeta.CheckSchema(r.Schema); err != nil {
		return fmt.Errorf("downloads: %s: schema: %w", r.node, err)
	}
	schema, err := structure.ParseSchemaMessage(r.Schema)
	if err != nil {
		return fmt.Errorf("downloads: %s: schema: %w", r.node, err)
	}
	r.node.TableStructure.Schema = schema
	return nil
}

// notHeld is the answer for what was not downloaded.
func notHeld(path []string, what string) error {
	return fmt.Errorf("%s of /%s was not downloaded, and the server is not asked (offline): %w", what, strings.Join(path, "/"), errdef.ErrNotFound)
}

// save writes what is held of a node.
func (s *Server) save(rec *record) error {
	dir := s.nodeDir(rec.Path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("downloads: %w", err)
	}
	return writePart(filepath.Join(dir, nodeFile), partHeader{ETag: rec.etag, ContentType: msgpack, Fetched: rec.fetched, Node: rec}, rec.document)
}

// setDir is where the parts of a node's data lie.
func (s *Server) setDir(rec *record) string { return filepath.Join(s.nodeDir(rec.Path), rec.Set) }

// blockFile names the file of a block or partition.
func blockFile(index []int64) string {
	if len(index) == 0 {
		return "scalar"
	}
	parts := make([]string, len(index))
	for i, n := range index {
		parts[i] = strconv.FormatInt(n, 10)
	}
	return strings.Join(parts, ".")
}

func assetFile(id int, relative string) string {
	return "a" + strconv.Itoa(id) + "-" + digest(relative)
}

// grid is the grid of an array's blocks.
func (r *record) grid() ndslice.Grid {
	return ndslice.Grid{Shape: r.node.ArrayStructure.Shape, Block: r.Block}
}

// Held says what is held of one node.
type Held struct {
	Path   []string
	Family string
	// Parts of Total are held: blocks of an array, partitions of a table, files. Both are 0
	// for a container.
	Parts, Total int64
	// Bytes on disk, and when the node's document was fetched or last confirmed.
	Bytes   int64
	Fetched time.Time
}

// held counts what is held of a node.
func (s *Server) held(rec *record) (Held, error) {
	out := Held{Path: rec.Path, Family: string(rec.node.Family), Fetched: rec.fetched}
	for _, dir := range []string{s.nodeDir(rec.Path), s.setDir(rec)} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return out, fmt.Errorf("downloads: %w", err)
		}
		for _, e := range entries {
			about, err := e.Info()
			if err != nil || e.IsDir() || strings.HasPrefix(e.Name(), ".") || unfinished(e.Name()) {
				continue
			}
			out.Bytes += about.Size()
			if e.Name() != nodeFile {
				out.Parts++
			}
		}
		if rec.Set == "" {
			break
		}
	}
	switch {
	case rec.Block != nil:
		out.Total = 1
		for _, n := range rec.grid().Counts() {
			out.Total *= n
		}
	case rec.Partitions != nil:
		out.Total = int64(len(rec.Partitions))
	}
	for _, a := range rec.Assets {
		out.Total += max(1, int64(len(a.Files)))
	}
	return out, nil
}
