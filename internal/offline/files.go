// SPDX-License-Identifier: BSD-3-Clause

package offline

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// assets fetches the files behind a node. A server that does not give them out is no
// error: it is reported.
func (d *download) assets(ctx context.Context, n *client.Node) error {
	with, err := n.WithSources(ctx)
	if err != nil {
		return err
	}
	var out []asset
	for _, source := range with.Sources {
		for _, a := range source.Assets {
			kept := asset{URI: a.URI, Directory: a.Directory, Size: a.Size, MediaType: source.MediaType}
			if err == nil {
				kept.Files, err = d.asset(ctx, with, a, len(out)+1)
			}
			if err == nil {
				out = append(out, kept)
			}
		}
	}
	if errors.Is(err, errdef.ErrForbidden) || errors.Is(err, errdef.ErrNotFound) {
		d.report(n.String(), "its files are not given out: "+err.Error())
		err = nil
	}
	return errors.Join(err, d.keep(n, func(rec *record) {
		if err == nil || errors.Is(err, errdef.ErrChanged) {
			rec.Assets = out
		}
	}))
}

// asset fetches a file, or a folder of files as they are at one time.
func (d *download) asset(ctx context.Context, n *client.Node, a client.Asset, place int) (names []string, err error) {
	if !a.Directory {
		_, err := d.file(ctx, n, a.ID, place, "")
		return nil, err
	}
	for range maxRounds {
		if names, err = n.Manifest(ctx, a.ID); err != nil {
			return nil, err
		}
		changed := 0
		for _, name := range names {
			same, err := d.file(ctx, n, a.ID, place, name)
			if err != nil {
				return nil, err
			}
			if !same {
				changed++
			}
		}
		if changed == 0 || len(names) == 1 {
			return names, nil
		}
	}
	return nil, d.changing(n)
}

// fileHeader is the room for the header of a part whose checksum is known at its end.
const fileHeader = 4096

// file fetches a file of any size as it comes. What broke off is gone on with, also by
// another run, if the file is the same still.
func (d *download) file(ctx context.Context, n *client.Node, id int64, place int, relative string) (same bool, err error) {
	path := filepath.Join(d.s.nodeDir(n.Path), assetFile(place, relative))
	t := client.Transfer{Asset: id, Relative: relative}
	if h, err := checkPart(path); err == nil {
		t.Held = h.ETag
	}
	got, err := d.transfer(ctx, n, t, path)
	if errors.Is(err, errdef.ErrChanged) { // what was begun is another file's
		got, err = d.transfer(ctx, n, t, path)
	}
	if err != nil {
		return false, err
	}
	d.parts.Add(1)
	if got.Same {
		d.same.Add(1)
	}
	d.report(n.String(), "")
	return got.Same, nil
}

// begun is a file on its way: "<path>.new", and the tag of what is in it in
// "<path>.tag" if it broke off.
type begun struct {
	f    *os.File
	sum  hash.Hash
	path string
	size int64
	say  func(int64)
}

func (b *begun) Write(p []byte) (int, error) {
	n, err := b.f.WriteAt(p, b.size)
	b.sum.Write(p[:n])
	b.size += int64(n)
	b.say(int64(n))
	return n, err
}

func fileBody() int64 { return int64(len(partMagic)) + 4 + fileHeader }

// begin opens what is there of a file, or a new one.
func begin(path string, say func(int64)) (b *begun, tag string, err error) {
	text, err := os.ReadFile(path + ".tag")
	_ = os.Remove(path + ".tag") // it is true of what broke off only
	b = &begun{path: path + ".new", sum: sha256.New(), size: fileBody(), say: say}
	flags := os.O_RDWR | os.O_CREATE
	if err != nil {
		flags |= os.O_TRUNC
	}
	if b.f, err = os.OpenFile(b.path, flags, 0o600); err != nil {
		return nil, "", fmt.Errorf("downloads: %w", err)
	}
	about, err := b.f.Stat()
	if err != nil {
		return nil, "", errors.Join(fmt.Errorf("downloads: %w", err), b.f.Close())
	}
	if len(text) == 0 || about.Size() <= b.size {
		return b, "", nil
	}
	n, err := io.Copy(b.sum, io.NewSectionReader(b.f, b.size, about.Size()-b.size))
	if err != nil {
		return nil, "", errors.Join(fmt.Errorf("downloads: %w", err), b.f.Close())
	}
	b.size += n
	return b, string(text), nil
}

func (d *download) transfer(ctx context.Context, n *client.Node, t client.Transfer, path string) (client.Transferred, error) {
	b, tag, err := begin(path, func(more int64) {
		d.bytes.Add(more)
		d.report(n.String(), "")
	})
	if err != nil {
		return client.Transferred{}, err
	}
	t.Tag, t.From = tag, b.size-fileBody()
	if t.From > 0 {
		t.Held = ""
	}
	got, err := n.Transfer(ctx, b, t)
	switch {
	case err == nil && !got.Same:
		return got, b.finish(path, partHeader{ETag: got.ETag, ContentType: got.ContentType, Fetched: time.Now().UTC()})
	case err != nil && !errors.Is(err, errdef.ErrChanged) && got.ETag != "" && !strings.HasPrefix(got.ETag, "W/") && b.size > fileBody():
		return got, errors.Join(err, os.WriteFile(path+".tag", []byte(got.ETag), 0o600), b.f.Close())
	}
	return got, errors.Join(err, b.f.Close(), os.Remove(b.path))
}

// finish makes a part of a file that is whole.
func (b *begun) finish(path string, h partHeader) error {
	h.Size, h.SHA256 = b.size-fileBody(), b.sum.Sum(nil)
	header, err := json.Marshal(h)
	if err == nil && len(header) > fileHeader {
		err = fmt.Errorf("a header of %d bytes: %w", len(header), errdef.ErrTooLarge)
	}
	if err == nil {
		head := binary.LittleEndian.AppendUint32([]byte(partMagic), fileHeader)
		head = append(append(head, header...), strings.Repeat(" ", fileHeader-len(header))...)
		_, err = b.f.WriteAt(head, 0)
	}
	if err == nil {
		err = b.f.Truncate(b.size)
	}
	if err = errors.Join(err, b.f.Close()); err == nil {
		err = os.Rename(b.path, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("downloads: %w", err), os.Remove(b.path))
	}
	return nil
}

// unfinished tells of files that are on their way, which are no parts yet.
func unfinished(name string) bool {
	return strings.HasSuffix(name, ".new") || strings.HasSuffix(name, ".tag")
}
