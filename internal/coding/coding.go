// Package coding has the content codings of HTTP (RFC 9110 §8.4) that a Tiled
// server speaks: gzip, zstd, lz4 and blosc2, besides identity; and the choice
// among them.
//
// The choice ([Set.Negotiate]) is made from what is known before any data are
// read: the Accept-Encoding field, the media type, the planned size, how far
// away the asker is, and settings. It is never revised by how well the body
// compressed, so that an ETag can name the coding before the body exists.
package coding

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// Coding is one content coding at one level. It is safe for concurrent use; what
// its methods return is not.
type Coding interface {
	// Name is the token of Content-Encoding, "" for identity: the field is
	// then left out.
	Name() string
	// Tag goes into the ETag, since a strong validator names bytes: the name
	// and whatever else shapes the bytes, such as "zstd1". It is made of
	// letters, digits and "-", and "" for identity.
	Tag() string
	// NewWriter returns a writer of the coded form of what is written to it;
	// typesize is the size in bytes of the body's elements (1 if it has none),
	// which some codings use and none requires. The body is whole only after
	// Close, which does not close w and may be left out when the body is
	// given up. Errors are w's own, or [errdef.ErrTooLarge] from lz4, which
	// must hold the whole body ([LZ4Limit]). Write keeps nothing of its argument.
	NewWriter(w io.Writer, typesize int) io.WriteCloser
	// NewReader returns a reader of the decoded form of r. It gives at most
	// limit bytes and stops there with [errdef.ErrTooLarge] if there are more,
	// without decoding them. Damaged or cut off input is
	// [errdef.ErrUnprocessable]; errors of r come through as they are. Close
	// does not close r.
	NewReader(r io.Reader, limit int64) io.ReadCloser
}

// maker builds a coding from the level in the settings, "" for its default.
type maker func(level string) (Coding, error)

// makers is the list of codings: a new one is one file and one row here.
func makers() map[string]maker {
	return map[string]maker{
		"identity": newIdentity,
		"gzip":     newGzip,
		"zstd":     newZstd,
		"lz4":      newLZ4,
		"blosc2":   newBlosc2,
	}
}

// Parse returns the coding that a setting such as "zstd", "gzip:6" or
// "blosc2:zstd" names, or [errdef.ErrInvalid] that says what is possible.
func Parse(setting string) (Coding, error) {
	name, level, _ := strings.Cut(setting, ":")
	build, ok := makers()[name]
	if !ok {
		return nil, fmt.Errorf("coding %q: expected identity, gzip, zstd, lz4 or blosc2: %w", setting, errdef.ErrInvalid)
	}
	c, err := build(level)
	if err != nil {
		return nil, fmt.Errorf("coding %q: %w: %w", setting, err, errdef.ErrInvalid)
	}
	return c, nil
}

// level reads a level between 1 and most.
func level(text string, otherwise, most int) (int, error) {
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("level %q: expected 1 to %d", text, most)
	}
	return n, nil
}

// noLevel refuses a level for codings that have none.
func noLevel(text string) error {
	if text != "" {
		return errors.New("it has no levels")
	}
	return nil
}

// identity is the coding that does nothing.
type identity struct{}

func newIdentity(level string) (Coding, error) { return identity{}, noLevel(level) }

func (identity) Name() string { return "" }
func (identity) Tag() string  { return "" }

func (identity) NewWriter(w io.Writer, _ int) io.WriteCloser { return plainWriter{w} }

func (identity) NewReader(r io.Reader, limit int64) io.ReadCloser {
	return newReader("identity", r, limit, func(src io.Reader) (io.Reader, func(ok bool), error) {
		return src, func(bool) {}, nil
	})
}

type plainWriter struct{ io.Writer }

func (plainWriter) Close() error { return nil }
