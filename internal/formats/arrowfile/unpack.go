package arrowfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// unpacker decompresses buffers. Its zero value is ready; it is for one
// goroutine.
type unpacker struct {
	zstd *zstd.Decoder
}

const (
	// maxWindow bounds what a zstd frame makes its decoder remember.
	maxWindow = 128 << 20
	// trusted is allocated for a buffer because it says so; more than that,
	// and than trust times its packed size, only when it is there.
	trusted = 16 << 20
	trust   = 64
)

// buffer unpacks a compressed buffer: its size in 8 bytes, or -1 if it is not
// compressed after all, then a frame.
func (u *unpacker) buffer(codec string, data []byte, limit int64) ([]byte, error) {
	if len(data) < 8 {
		return nil, unprocessable("a compressed buffer of %d bytes", len(data))
	}
	size := int64(binary.LittleEndian.Uint64(data))
	data = data[8:]
	if size == -1 {
		return data, nil
	}
	if size < 0 || size > limit {
		return nil, unprocessable("a buffer unpacks to %d bytes, the limit is %d", size, limit)
	}
	frames, err := u.frames(codec, data)
	if err != nil {
		return nil, unprocessable("%w", err)
	}
	var out bytes.Buffer
	out.Grow(int(min(size, max(trusted, trust*int64(len(data))))))
	n, err := io.Copy(&out, io.LimitReader(frames, size))
	if err == nil && n == size {
		var more [1]byte
		if _, err = frames.Read(more[:]); errors.Is(err, io.EOF) {
			return out.Bytes(), nil
		}
	}
	return nil, unprocessable("a buffer that does not unpack to %d bytes: %v", size, err)
}

func (u *unpacker) frames(codec string, data []byte) (io.Reader, error) {
	source := bytes.NewReader(data)
	if codec == "lz4" {
		return lz4.NewReader(source), nil
	}
	if u.zstd != nil {
		return u.zstd, u.zstd.Reset(source)
	}
	var err error
	u.zstd, err = zstd.NewReader(source, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow))
	return u.zstd, err
}
