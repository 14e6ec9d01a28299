package ipcmeta

import (
	"encoding/binary"
	"fmt"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// MaxMetadata bounds the flatbuffer of one message, in bytes.
const MaxMetadata = 64 << 20

// Prefix reads what stands before the flatbuffer of an encapsulated message:
// its own length, and that of the flatbuffer with its padding, which is 0 at
// the end of a stream. prefix has 8 bytes, or what is left of the file. Errors
// are errdef.ErrUnprocessable.
func Prefix(prefix []byte) (size, metadata int64, err error) {
	size = 4
	if len(prefix) >= 8 && binary.LittleEndian.Uint32(prefix) == 0xffffffff {
		size, prefix = 8, prefix[4:]
	}
	if len(prefix) < 4 {
		return 0, 0, invalid("a message is cut off")
	}
	metadata = int64(int32(binary.LittleEndian.Uint32(prefix)))
	if metadata < 0 || metadata > MaxMetadata {
		return 0, 0, invalid(fmt.Sprintf("a message with %d bytes of metadata", metadata))
	}
	return size, metadata, nil
}

// CheckSchema checks a whole encapsulated schema message, so that it may be
// given to the Arrow library, and returns what [Message] calls Dictionaries.
func CheckSchema(message []byte) (dictionaries []int64, err error) {
	size, metadata, err := Prefix(message)
	if err != nil {
		return nil, err
	}
	if metadata > int64(len(message))-size {
		return nil, invalid("a schema is cut off")
	}
	m, err := Parse(message[size : size+metadata])
	if err != nil {
		return nil, err
	}
	if m.Kind != KindSchema || m.Body != 0 {
		return nil, fmt.Errorf("arrow metadata: expected a schema, got a message of kind %d and %d bytes: %w",
			m.Kind, m.Body, errdef.ErrUnprocessable)
	}
	return m.Dictionaries, nil
}
