package adapter

import "context"

// AssetHolder is an adapter whose files may be downloaded as they are.
type AssetHolder interface {
	// Assets lists the files, or the folder, behind the node. An asset's id
	// is its place in the list, counted from 1.
	Assets(ctx context.Context) ([]Asset, error)
	// OpenAsset opens a file of the asset with that id: relative is empty for
	// an asset that is a file, and a path within one that is a folder. The
	// version is that of the open file; a file with a method
	// Unchanged() error says by errdef.ErrChanged that it no longer holds.
	// Errors as in [Source]; an id that is not there is errdef.ErrNotFound.
	OpenAsset(ctx context.Context, id int, relative string) (File, Version, error)
	// Manifest lists the files in an asset that is a folder, relative to it.
	Manifest(ctx context.Context, id int) ([]string, error)
}

// Asset is a file, or a folder, behind a node.
type Asset struct {
	// URI is a file URI with the path on the server, as Tiled shows it.
	URI       string
	Directory bool
	// Size in bytes; -1 for a folder.
	Size int64
	// Parameter is the name under which Tiled's adapters take the asset.
	Parameter string
	// Num is the asset's place among several, or -1 for a single one.
	Num int
}
