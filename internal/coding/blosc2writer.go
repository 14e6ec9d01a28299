package coding

import "io"

// bloscWriter collects a body into chunks. Its buffers are what is pooled.
type bloscWriter struct {
	coding   *blosc2Coding
	w        io.Writer
	typesize int
	size     int    // of a chunk: bloscChunk, cut to whole elements
	plain    []byte // the chunk that is being collected
	chunk    []byte // the last one that was written
	failed   error
	closed   bool
}

// NewWriter implements [Coding].
func (c *blosc2Coding) NewWriter(w io.Writer, typesize int) io.WriteCloser {
	if typesize < 1 || typesize > 255 {
		typesize = 1
	}
	b, ok := c.buffers.get()
	if !ok {
		b = new(bloscWriter)
	}
	return &bloscWriter{
		coding: c, w: w, typesize: typesize, size: bloscChunk / typesize * typesize,
		plain: b.plain[:0], chunk: b.chunk[:0],
	}
}

func (w *bloscWriter) Write(p []byte) (int, error) {
	total := len(p)
	if w.closed {
		return 0, errClosed
	}
	for len(p) > 0 && w.failed == nil {
		if len(w.plain) == 0 && len(p) >= w.size {
			w.flush(p[:w.size]) // straight from the caller's memory
			p = p[w.size:]
			continue
		}
		n := min(len(p), w.size-len(w.plain))
		w.plain = append(w.plain, p[:n]...)
		p = p[n:]
		if len(w.plain) == w.size {
			w.flush(w.plain)
			w.plain = w.plain[:0]
		}
	}
	return total - len(p), w.failed
}

// flush writes body as one chunk; nothing, if it is empty.
func (w *bloscWriter) flush(body []byte) {
	if w.chunk, w.failed = w.coding.encoder.Append(w.chunk[:0], body, w.typesize); w.failed == nil {
		_, w.failed = w.w.Write(w.chunk)
	}
}

func (w *bloscWriter) Close() error {
	if w.closed || w.failed != nil {
		return w.failed
	}
	w.closed = true
	if w.flush(w.plain); w.failed == nil {
		w.coding.buffers.put(&bloscWriter{plain: w.plain, chunk: w.chunk})
		w.plain, w.chunk = nil, nil
	}
	return w.failed
}
