// Package host runs formats in processes that may die.
//
// What reads foreign bytes with C libraries, or with Python, runs in host
// processes that speak one protocol over a unix socket; docs/host-protocol.md
// describes it byte by byte. This package holds all three sides of it:
//
//   - [Serve] puts any [adapter.Format] behind a socket. It runs in the host.
//   - [Pool] starts hosts, sends each file to the same one, puts a deadline on
//     each request, kills what hangs, restarts what crashes, tries a read once
//     more in a fresh process of its own, and sets aside a file that crashes
//     that one too.
//   - [Pool.Format] is a format of the host as a format of the server.
//
// A host is never asked for a version: the server looks at the files itself,
// those that describing named included, and gives their stamps with each
// request; the host refuses a file that has another.
package host

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// Version of the protocol, which stands in the greeting.
const Version = 1

const (
	// maxHeader bounds the JSON of one frame, maxToken the body of a request.
	maxHeader = 64 << 20
	maxToken  = 16 << 20
	// maxDescription bounds the body of a reply that describes.
	maxDescription = 256 << 20
)

// writeFrame sends one frame: the lengths of both parts as little-endian
// uint32 and uint64, the header as JSON, the body as it is.
func writeFrame(w io.Writer, header any, body []byte) error {
	text, err := json.Marshal(header)
	if err != nil {
		return fmt.Errorf("host protocol: header: %w", err)
	}
	b := make([]byte, 12, 12+len(text))
	binary.LittleEndian.PutUint32(b, uint32(len(text)))
	binary.LittleEndian.PutUint64(b[4:], uint64(len(body)))
	if _, err := w.Write(append(b, text...)); err != nil {
		return err
	}
	if len(body) == 0 {
		return nil
	}
	_, err = w.Write(body)
	return err
}

// readFrame reads one frame. place gives the memory for a body of n bytes, or
// refuses it; it is not called for an empty body. EOF before the first byte
// is io.EOF, later io.ErrUnexpectedEOF.
func readFrame(r io.Reader, header any, place func(n uint64) ([]byte, error)) ([]byte, error) {
	var lengths [12]byte
	if _, err := io.ReadFull(r, lengths[:]); err != nil {
		return nil, err
	}
	h, n := binary.LittleEndian.Uint32(lengths[:]), binary.LittleEndian.Uint64(lengths[4:])
	if h > maxHeader {
		return nil, fmt.Errorf("host protocol: a header of %d bytes, at most %d: %w", h, maxHeader, errdef.ErrUnprocessable)
	}
	text := make([]byte, h)
	if err := full(r, text); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, header); err != nil {
		return nil, fmt.Errorf("host protocol: header: %w: %w", err, errdef.ErrUnprocessable)
	}
	if n == 0 {
		return nil, nil
	}
	body, err := place(n)
	if err != nil {
		return nil, err
	}
	return body, full(r, body)
}

func full(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// upTo places bodies of at most limit bytes in fresh memory.
func upTo(limit uint64) func(uint64) ([]byte, error) {
	return func(n uint64) ([]byte, error) {
		if n > limit {
			return nil, fmt.Errorf("host protocol: a body of %d bytes, at most %d: %w", n, limit, errdef.ErrTooLarge)
		}
		return make([]byte, n), nil
	}
}
