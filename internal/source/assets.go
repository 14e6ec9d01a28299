package source

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"path/filepath"
	"slices"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// Assets implements [adapter.AssetHolder]. A member inside files has none.
func (n *Node) Assets(ctx context.Context) ([]adapter.Asset, error) {
	if len(n.inside) > 0 {
		return nil, nil
	}
	stamps, err := n.look(ctx, n.item.Names)
	if err != nil {
		return nil, err
	}
	kind := n.format.Kind()
	parameter, numbered := "data_uri", kind.Sequence
	// Tiled's adapters of tables take lists.
	if numbered || slices.Contains([]string{"text/csv", "application/x-parquet", "application/vnd.apache.arrow.file"}, kind.MediaType) {
		parameter, numbered = "data_uris", true
	}
	assets := make([]adapter.Asset, len(n.item.Names))
	for i, name := range n.item.Names {
		a := adapter.Asset{URI: fileURI(n.wall.Path(n.full(name))), Size: stamps[i].Size, Parameter: parameter, Num: -1}
		if name == "." {
			a.Directory, a.Size = true, -1
		}
		if numbered {
			a.Num = i
		}
		if stamps[i].Absent {
			return nil, fmt.Errorf("%s: %w", n.item.Path, errdef.ErrNotFound)
		}
		assets[i] = a
	}
	return assets, nil
}

func (n *Node) full(name string) string { return within(n.item.Dir, name) }

// fileURI is Tiled's form of a path.
func fileURI(file string) string {
	u := url.URL{Scheme: "file", Host: "localhost", Path: filepath.ToSlash(file)}
	return u.String()
}

func (n *Node) asset(id int) (string, error) {
	if id < 1 || id > len(n.item.Names) || len(n.inside) > 0 {
		return "", fmt.Errorf("%s: has no asset %d: %w", n.item.Path, id, errdef.ErrNotFound)
	}
	return n.item.Names[id-1], nil
}

// OpenAsset implements [adapter.AssetHolder].
func (n *Node) OpenAsset(ctx context.Context, id int, relative string) (adapter.File, adapter.Version, error) {
	name, err := n.asset(id)
	if err != nil {
		return nil, adapter.Version{}, err
	}
	if (relative != "") != (name == ".") || relative != "" && (!valid(relative) || relative == ".") {
		return nil, adapter.Version{}, fmt.Errorf("%s: %q names no file of the asset: %w", n.item.Path, relative, errdef.ErrNotFound)
	}
	full := path.Join(n.full(name), relative)
	f, err := n.wall.Open(ctx, full)
	if err != nil {
		return nil, adapter.Version{}, err
	}
	h := sha256.New()
	hashFile(h, full, f.stamp)
	v := adapter.Version{Trusted: n.wall.Trusted(full, f.stamp), Modified: f.stamp.Modified()}
	copy(v.ID[:], h.Sum(nil))
	return f, v, nil
}

// maxManifest bounds the files that are listed of one folder.
const maxManifest = 1_000_000

// Manifest implements [adapter.AssetHolder]. Links to folders are not entered.
func (n *Node) Manifest(ctx context.Context, id int) ([]string, error) {
	name, err := n.asset(id)
	if err != nil {
		return nil, err
	}
	if name != "." {
		return nil, fmt.Errorf("%s: asset %d is a file: %w", n.item.Path, id, errdef.ErrInvalid)
	}
	var files []string
	for folders := []string{"."}; len(folders) > 0; {
		at := folders[len(folders)-1]
		folders = folders[:len(folders)-1]
		_, err := n.wall.ReadDir(ctx, within(n.full(name), at), func(e fs.DirEntry) {
			switch entry := path.Join(at, e.Name()); {
			case e.IsDir():
				folders = append(folders, entry)
			case e.Type().IsRegular() || e.Type()&fs.ModeSymlink != 0:
				files = append(files, entry)
			}
		})
		if err != nil {
			return nil, err
		}
		if len(files) > maxManifest {
			return nil, fmt.Errorf("%s: more than %d files: %w", n.item.Path, maxManifest, errdef.ErrTooLarge)
		}
	}
	slices.Sort(files)
	return files, nil
}
