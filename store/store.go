// SPDX-License-Identifier: BSD-3-Clause

// Package store is the seam between Terrazzo's caches and wherever their bytes lie:
// worker memory, a directory on disk, Redis, or something of your own.
//
// A store keeps values under keys. A value is a small header that the store does not
// understand and a body of bytes; both are written once and never changed, only
// replaced as a whole. What a store keeps is a cache: it may forget anything at any
// time, and every error means no more than a miss to those who use it (they count it).
//
// An implementation proves itself with
// [github.com/terrazzo-data/terrazzo/store/storetest].
package store

import (
	"context"
	"io"
	"time"
)

// Limits that every store keeps, so that no caller depends on a laxer one. A Put
// beyond them is refused with [errdef.ErrInvalid].
const (
	// MaxKey is the most bytes a key may have.
	MaxKey = 1024
	// MaxHeader is the most bytes a header may have.
	MaxHeader = 1 << 20
	// MaxGroups is how many groups a value may be in, MaxGroup the bytes of a name.
	MaxGroups = 64
	MaxGroup  = 1024
)

// UnknownSize is the Size of a body whose end is not known when it is begun.
const UnknownSize = -1

// Key names a value: any bytes, at least one, at most MaxKey.
type Key string

// Meta is what is known of a value besides its body.
type Meta struct {
	// Header belongs to the caller's format. It is copied by Put; from Get it is
	// read-only until Release.
	Header []byte
	// Size is the body's length in bytes. Put takes UnknownSize too; Get never gives it.
	Size int64
	// Cost is what it takes to get the value again, without waiting in queues. It
	// decides what is given up first. 0 is cheapest.
	Cost time.Duration
	// TTL is how long the value may be kept from its Commit; 0 is as long as there is room.
	TTL time.Duration
	// Groups are the names under which DeleteGroup finds the value. Get need not give them.
	Groups []string
}

// Releaser takes back a [Value].
type Releaser interface {
	// ReleaseValue is called once by [Value.Release].
	ReleaseValue()
}

// Value is a stored value on loan. Its bytes do not change, whatever happens to the
// key; they may be used until Release, which must be called exactly once.
type Value struct {
	Meta
	// Body reads the Size bytes of the body. It is safe for concurrent use.
	Body io.ReaderAt
	// Bytes is the whole body, read-only, if the store has it in memory; else nil.
	Bytes []byte
	// Owner takes the value back; nil if nobody needs to know.
	Owner Releaser
}

// Release gives the value back. The zero Value may be released.
func (v *Value) Release() {
	if v.Owner != nil {
		v.Owner.ReleaseValue()
		v.Owner = nil
	}
}

// Writer takes the body of one value. It is not safe for concurrent use. Exactly one of
// Commit and Abort ends it; Abort after Commit does nothing, so it may be deferred.
type Writer interface {
	// Write appends to the body. What was written is kept even if p changes later. Too
	// much for the store, or more than the Size given to Put, is [errdef.ErrTooLarge].
	io.Writer
	// Commit makes the value visible as a whole, replacing an older one. Fewer bytes
	// than Put was told are [errdef.ErrInvalid], and nothing is kept. A value whose key or
	// one of whose groups was deleted since Put may be kept or not by Commit, as the
	// store likes; a caller that cares keeps generations.
	Commit() error
	// Abort forgets the value; the key keeps what it had.
	Abort()
}

// Taker is a [Writer] that can keep a body without copying it.
type Taker interface {
	// Take makes p the whole body, in place of Write, and p the store's: nobody changes it
	// from now on.
	Take(p []byte) error
}

// Stats is what a store holds and has done. Counts begin with the process.
type Stats struct {
	// Entries and Bytes are what is held, headers and overhead included; Capacity is the
	// bound of Bytes.
	Entries, Bytes, Capacity int64
	// Pinned is the bytes that were given up while still on loan.
	Pinned int64
	// Hits and Misses count Get, Stores count Commit, Evictions what made room, Errors what
	// went wrong.
	Hits, Misses, Stores, Evictions, Errors int64
}

// Store keeps values. All methods are safe for concurrent use. An error wraps an errdef
// sentinel: ErrInvalid for a key, header or group beyond the limits, ErrTooLarge for what
// cannot fit, ErrUnavailable for a store that cannot be reached.
type Store interface {
	// Get lends the value of key, or says [errdef.ErrNotFound].
	Get(ctx context.Context, key Key) (Value, error)
	// Put begins a value.
	Put(ctx context.Context, key Key, meta Meta) (Writer, error)
	// Delete forgets key. No such key is no error.
	Delete(ctx context.Context, key Key) error
	// DeleteGroup forgets every value that is in the group. A value may be forgotten that
	// is not in it, never the other way round.
	DeleteGroup(ctx context.Context, group string) error
	// Stats says what the store holds now.
	Stats() Stats
}
