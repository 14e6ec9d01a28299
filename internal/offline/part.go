// SPDX-License-Identifier: BSD-3-Clause

package offline

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// A part is one file of the library: a line that names its kind, the length of a header,
// the header as JSON, and a body whose checksum the header has.
const (
	partMagic = "terrazzo part 1\n"
	maxHeader = 64 << 20
	maxBody   = 1 << 31
)

// partHeader is what is known of a body.
type partHeader struct {
	// ETag and ContentType are the server's.
	ETag        string    `json:"etag,omitempty"`
	ContentType string    `json:"content_type,omitempty"`
	Fetched     time.Time `json:"fetched"`
	Size        int64     `json:"size"`
	SHA256      []byte    `json:"sha256"`
	// Node belongs to the part that describes a node.
	Node *record `json:"node,omitempty"`
}

// writePart writes a part as a whole.
func writePart(path string, h partHeader, body []byte) error {
	sum := sha256.Sum256(body)
	h.Size, h.SHA256 = int64(len(body)), sum[:]
	header, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("downloads: %w", err)
	}
	return writeWhole(path, func(f *os.File) error {
		head := binary.LittleEndian.AppendUint32([]byte(partMagic), uint32(len(header))) //nolint:gosec // far below
		if _, err := f.Write(append(head, header...)); err != nil {
			return err
		}
		_, err := f.Write(body)
		return err
	})
}

// writeWhole writes a file beside its place and renames it into it.
func writeWhole(path string, write func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("downloads: %w", err)
	}
	err = errors.Join(write(f), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("downloads: %w", err), os.Remove(f.Name()))
	}
	return nil
}

// openPart opens a part and reads its header. What is not there is fs.ErrNotExist, what
// is damaged errdef.ErrUnprocessable.
func openPart(path string) (*os.File, partHeader, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, partHeader{}, 0, err
	}
	h, at, err := readHeader(f)
	if err != nil {
		return nil, h, 0, errors.Join(fmt.Errorf("downloads: %s: %w; remove it and download again: %w", path, err, errdef.ErrUnprocessable), f.Close())
	}
	return f, h, at, nil
}

func readHeader(f *os.File) (h partHeader, body int64, err error) {
	about, err := f.Stat()
	if err != nil {
		return h, 0, err
	}
	var head [len(partMagic) + 4]byte
	if _, err := io.ReadFull(f, head[:]); err != nil || string(head[:len(partMagic)]) != partMagic {
		return h, 0, errors.New("it is no part")
	}
	n := int64(binary.LittleEndian.Uint32(head[len(partMagic):]))
	body = int64(len(head)) + n
	if n > maxHeader || body > about.Size() {
		return h, 0, errors.New("its header is cut off")
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(f, text); err != nil {
		return h, 0, err
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, 0, fmt.Errorf("header: %w", err)
	}
	if h.Size < 0 || h.Size != about.Size()-body {
		return h, 0, errors.New("it is cut off")
	}
	return h, body, nil
}

// readPart reads a part and checks it.
func readPart(path string) (partHeader, []byte, error) {
	f, h, at, err := openPart(path)
	if err != nil {
		return h, nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	if h.Size > maxBody {
		return h, nil, fmt.Errorf("downloads: %s: %d bytes: %w", path, h.Size, errdef.ErrTooLarge)
	}
	body := make([]byte, h.Size)
	if _, err := f.ReadAt(body, at); err != nil && (!errors.Is(err, io.EOF) || h.Size > 0) {
		return h, nil, fmt.Errorf("downloads: %s: %w", path, err)
	}
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], h.SHA256) {
		return h, nil, fmt.Errorf("downloads: %s: the checksum does not fit; remove it and download again: %w", path, errdef.ErrUnprocessable)
	}
	return h, body, nil
}

// checkPart is readPart for parts of any size, of which the body is not wanted.
func checkPart(path string) (partHeader, error) {
	f, h, at, err := openPart(path)
	if err != nil {
		return h, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(f, at, h.Size)); err != nil {
		return h, fmt.Errorf("downloads: %s: %w", path, err)
	}
	if !bytes.Equal(sum.Sum(nil), h.SHA256) {
		return h, fmt.Errorf("downloads: %s: the checksum does not fit: %w", path, errdef.ErrUnprocessable)
	}
	return h, nil
}

// holds tells whether a part is there.
func holds(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
