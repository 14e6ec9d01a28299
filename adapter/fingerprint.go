package adapter

import "context"

// Fingerprinter is an [ArrayReader] that can tell what a block is made of for
// less than it takes to decode it: where a file is written to while most of
// what lies in it stays the same, the file's stamp says too much.
type Fingerprinter interface {
	ArrayReader
	// Fingerprint is a digest of all that the bytes of the block are made
	// from, as it lies in the files now. Blocks with the same digest, at the
	// same place of the same grid, have the same bytes, whatever became of the
	// files meanwhile. The zero ID means that the block has no fingerprint, such
	// as one that is not written to its end. Errors are those of ReadBlock.
	Fingerprint(ctx context.Context, block []int64) (ID, error)
}

// Identifier is an [Array] that may know a better name for a block than
// BlockID, which does no I/O, can give.
type Identifier interface {
	Array
	// IdentifyBlock names the state of a block, as BlockID does, for who is
	// about to read it: it may look into files. Of a source that is being
	// written, what was finished keeps its name while the rest grows. What it
	// cannot find out is no error: the name is that of BlockID then.
	IdentifyBlock(ctx context.Context, v Version, block []int64) BlockID
}
