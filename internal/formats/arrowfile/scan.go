package arrowfile

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/ipcmeta"
	"github.com/terrazzo-data/terrazzo/structure"
)

const (
	magic = "ARROW1"
	// dataStart is where the schema begins in a file.
	dataStart = 8
	// maxSizes bounds the sizes that are noted: columns times batches.
	maxSizes = 1 << 20
)

// scanned is what the metadata of a file say.
type scanned struct {
	schema     *arrow.Schema
	notes      *notes
	partitions []adapter.Partition
}

// scan reads a file or a stream, which its first bytes tell apart.
func scan(ctx context.Context, f adapter.File) (*scanned, error) {
	start := make([]byte, min(f.Size(), dataStart))
	if err := adapter.ReadFull(f, start, 0); err != nil {
		return nil, err
	}
	switch {
	case len(start) >= 4 && string(start[:4]) == "FEA1":
		return nil, fmt.Errorf("is Feather version 1: write it again with version 2: %w", errdef.ErrUnsupported)
	case len(start) == dataStart && string(start[:6]) == magic:
		return scanFile(ctx, f)
	default:
		return scanStream(ctx, f)
	}
}

// readSchema reads the schema message at an offset, and says where it ends.
func readSchema(f adapter.File, offset int64) (*scanned, int64, error) {
	message, err := readMessage(f, offset)
	if err != nil {
		return nil, 0, err
	}
	if message == nil {
		return nil, 0, unprocessable("has no schema")
	}
	ids, err := ipcmeta.CheckSchema(message)
	if err != nil {
		return nil, 0, err
	}
	schema, err := parseSchema(message)
	if err != nil {
		return nil, 0, err
	}
	return &scanned{schema: schema, notes: &notes{IDs: ids, Blocks: [][3]int64{}, Rows: []int64{}}}, offset + int64(len(message)), nil
}

// parseSchema gives the message to the library.
func parseSchema(message []byte) (schema *arrow.Schema, err error) {
	defer guard(&err)
	return structure.ParseSchemaMessage(message)
}

// readMessage reads the metadata of a message with their prefix; nil at the
// end of a stream.
func readMessage(f adapter.File, offset int64) ([]byte, error) {
	if offset >= f.Size() {
		return nil, nil
	}
	prefix := make([]byte, min(8, f.Size()-offset))
	if err := adapter.ReadFull(f, prefix, offset); err != nil {
		return nil, err
	}
	size, metadata, err := ipcmeta.Prefix(prefix)
	if err != nil || metadata == 0 {
		return nil, err
	}
	if metadata > f.Size()-offset-size {
		return nil, unprocessable("is cut off in a message at byte %d", offset)
	}
	message := make([]byte, size+metadata)
	return message, adapter.ReadFull(f, message, offset)
}

func scanFile(ctx context.Context, f adapter.File) (*scanned, error) {
	s, _, err := readSchema(f, dataStart)
	if err != nil {
		return nil, err
	}
	dictionaries, batches, err := readFooter(f)
	if err != nil {
		return nil, err
	}
	if len(batches) > maxBatches || len(dictionaries) > maxBatches {
		return nil, unprocessable("%d batches, no more than %d can be served", len(batches), maxBatches)
	}
	for _, b := range dictionaries {
		s.notes.Dictionaries = append(s.notes.Dictionaries, block(b))
	}
	for _, b := range batches {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m, err := readBlock(f, block(b), ipcmeta.KindBatch)
		if err != nil {
			return nil, err
		}
		s.add(block(b), m)
	}
	return s, nil
}

// readFooter reads the end of a file: the flatbuffer, its length, the magic.
func readFooter(f adapter.File) (dictionaries, batches []ipcmeta.Block, err error) {
	const tailSize = 4 + len(magic)
	size := f.Size()
	if size < dataStart+int64(tailSize) {
		return nil, nil, unprocessable("is cut off: %d bytes", size)
	}
	tail := make([]byte, tailSize)
	if err := adapter.ReadFull(f, tail, size-int64(tailSize)); err != nil {
		return nil, nil, err
	}
	length := int64(binary.LittleEndian.Uint32(tail))
	if string(tail[4:]) != magic || length > size-dataStart-int64(tailSize) || length > ipcmeta.MaxMetadata {
		return nil, nil, unprocessable("does not end in a footer and %s: it is cut off or damaged", magic)
	}
	footer := make([]byte, length)
	if err := adapter.ReadFull(f, footer, size-int64(tailSize)-length); err != nil {
		return nil, nil, err
	}
	return ipcmeta.Footer(footer)
}

// readBlock reads the metadata of the message that stands in a block.
func readBlock(f adapter.File, b [3]int64, kind ipcmeta.Kind) (*ipcmeta.Batch, error) {
	offset, size, body := b[0], b[1], b[2]
	left := f.Size() - offset
	if offset < 0 || size < 8 || body < 0 || left < 0 || size > left || body > left-size || size > ipcmeta.MaxMetadata {
		return nil, unprocessable("a block of %d and %d bytes at byte %d of %d", size, body, offset, f.Size())
	}
	message := make([]byte, size)
	if err := adapter.ReadFull(f, message, offset); err != nil {
		return nil, err
	}
	prefix, metadata, err := ipcmeta.Prefix(message)
	if err != nil {
		return nil, err
	}
	if metadata > size-prefix {
		return nil, unprocessable("a message at byte %d is longer than its block", offset)
	}
	m, err := ipcmeta.Parse(message[prefix : prefix+metadata])
	if err != nil {
		return nil, err
	}
	if m.Kind != kind || m.Body > body {
		return nil, unprocessable("a message of kind %d and %d bytes at byte %d, expected kind %d and %d", m.Kind, m.Body, offset, kind, body)
	}
	return m.Batch, nil
}

func scanStream(ctx context.Context, f adapter.File) (*scanned, error) {
	s, at, err := readSchema(f, 0)
	if err != nil {
		return nil, err
	}
	s.notes.Before = []int{}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		message, err := readMessage(f, at)
		if err != nil {
			return nil, err
		}
		if message == nil {
			return s, nil
		}
		if at, err = s.message(f, at, message); err != nil {
			return nil, err
		}
	}
}

// message takes the next message of a stream, and says where it ends.
func (s *scanned) message(f adapter.File, at int64, message []byte) (end int64, err error) {
	prefix, metadata, err := ipcmeta.Prefix(message)
	if err != nil {
		return 0, err
	}
	m, err := ipcmeta.Parse(message[prefix : prefix+metadata])
	if err != nil {
		return 0, err
	}
	size := int64(len(message))
	if m.Body > f.Size()-at-size {
		return 0, unprocessable("is cut off in a message at byte %d", at)
	}
	b := [3]int64{at, size, m.Body}
	switch m.Kind {
	case ipcmeta.KindDictionary:
		s.notes.Dictionaries = append(s.notes.Dictionaries, b)
	case ipcmeta.KindBatch:
		s.notes.Before = append(s.notes.Before, len(s.notes.Dictionaries))
		s.add(b, m.Batch)
	default:
		return 0, unprocessable("a second schema at byte %d", at)
	}
	if len(s.notes.Blocks) > maxBatches || len(s.notes.Dictionaries) > maxBatches {
		return 0, unprocessable("more than %d batches", maxBatches)
	}
	return at + size + m.Body, nil
}

// add notes a batch.
func (s *scanned) add(b [3]int64, batch *ipcmeta.Batch) {
	s.notes.Blocks = append(s.notes.Blocks, b)
	s.notes.Rows = append(s.notes.Rows, batch.Rows)
	p := adapter.Partition{Rows: batch.Rows}
	if s.schema.NumFields() <= maxSizes/len(s.notes.Blocks) {
		p.ColumnBytes = sizes(s.schema, batch)
	}
	s.partitions = append(s.partitions, p)
}

// guard is the one place where panics of the Arrow library on damaged files
// become errors.
func guard(err *error) {
	if r := recover(); r != nil {
		*err = unprocessable("is damaged: %v", r)
	}
}
