// Package webui holds the small web page that is served where no other was
// given: a tree to walk, with metadata and a look at each node.
package webui

import (
	"embed"
	"io/fs"
)

//go:embed page
var files embed.FS

// FS returns the files of the page, with index.html at its root.
func FS() (fs.FS, error) { return fs.Sub(files, "page") }
