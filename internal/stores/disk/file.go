// SPDX-License-Identifier: BSD-3-Clause

package disk

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"time"

	"github.com/terrazzo-data/terrazzo/store"
)

// A file is a prefix, a head and the body:
//
//	 0  4  mark             4  4  crc32c of bytes 8 to the end of the head
//	 8  4  head length     12  4  crc32c of the body
//	16  8  body length     24  8  cost, ns
//	32  8  expiry, unix ns; 0 is never
//	40  4  groups          44  4  key length
//	48     head: groups of 12 bytes (slot, generation), the key, the header
const (
	fileMark   = "TZd1"
	prefixSize = 48
	groupSize  = 12
	maxHead    = store.MaxHeader + store.MaxKey + groupSize*store.MaxGroups
)

var (
	// errTorn says that a file is not what was written.
	errTorn = errors.New("damaged")
	// errOver says that a value is whole but its time is over: expired or discarded, or that
	// it belongs to another key.
	errOver = errors.New("no longer valid")
)

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// nameOf is the file name of a key.
func nameOf(key store.Key) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:20])
}

// hexByte is the folder that a name is in.
func hexByte(name string) byte {
	var b [1]byte
	if len(name) >= 2 {
		_, _ = hex.Decode(b[:], []byte(name[:2]))
	}
	return b[0]
}

// member is a group as a file remembers it.
type member struct {
	slot       uint32
	generation uint64
}

// prefix is the part of a file that is enough to judge its worth.
type prefix struct {
	head, keyLen int
	body         int64
	bodySum      uint32
	cost         time.Duration
	expires      int64
	groups       int
}

// encodeHead writes prefix and head. The body's length and sum come when it is whole:
// see seal.
func encodeHead(key store.Key, meta store.Meta, groups []member) []byte {
	b := make([]byte, prefixSize, prefixSize+groupSize*len(groups)+len(key)+len(meta.Header))
	copy(b, fileMark)
	for _, g := range groups {
		b = binary.LittleEndian.AppendUint32(b, g.slot)
		b = binary.LittleEndian.AppendUint64(b, g.generation)
	}
	b = append(b, key...)
	b = append(b, meta.Header...)
	le := binary.LittleEndian
	le.PutUint32(b[8:], uint32(len(b)-prefixSize))
	le.PutUint64(b[24:], uint64(meta.Cost))
	le.PutUint32(b[40:], uint32(len(groups)))
	le.PutUint32(b[44:], uint32(len(key)))
	return b
}

// seal fills in what is known at the end.
func seal(head []byte, body int64, sum uint32, expires int64) {
	le := binary.LittleEndian
	le.PutUint32(head[12:], sum)
	le.PutUint64(head[16:], uint64(body))
	le.PutUint64(head[32:], uint64(expires))
	le.PutUint32(head[4:], crc32.Checksum(head[8:], castagnoli()))
}

// parsePrefix reads a prefix and checks that its lengths are possible.
func parsePrefix(b []byte) (prefix, error) {
	if len(b) < prefixSize || string(b[:4]) != fileMark {
		return prefix{}, errTorn
	}
	le := binary.LittleEndian
	head, body, groups, keyLen := le.Uint32(b[8:]), le.Uint64(b[16:]), le.Uint32(b[40:]), le.Uint32(b[44:])
	if head > maxHead || body > math.MaxInt64/2 || groups > store.MaxGroups || keyLen > store.MaxKey ||
		groupSize*groups+keyLen > head {
		return prefix{}, errTorn
	}
	return prefix{
		head: int(head), keyLen: int(keyLen), body: int64(body), bodySum: le.Uint32(b[12:]),
		cost: time.Duration(max(0, int64(le.Uint64(b[24:])))), expires: int64(le.Uint64(b[32:])), groups: int(groups),
	}, nil
}

// members reads the groups at the beginning of a head.
func (p prefix) members(head []byte) []member {
	out := make([]member, 0, p.groups)
	for i := range min(p.groups, len(head)/groupSize) {
		b := head[groupSize*i:]
		out = append(out, member{slot: binary.LittleEndian.Uint32(b), generation: binary.LittleEndian.Uint64(b[4:])})
	}
	return out
}

// over tells whether a value's time is over.
func (s *Store) over(p prefix, head []byte, now time.Time) bool {
	if p.expires != 0 && now.UnixNano() >= p.expires {
		return true
	}
	for _, m := range p.members(head) {
		if s.state.generation(m.slot) != m.generation {
			return true
		}
	}
	return false
}

// read reads the value of key from a file of size bytes, and checks all of it.
func (s *Store) read(f io.ReaderAt, size int64, key store.Key) (store.Value, error) {
	if size < prefixSize || size > s.maxValue+maxHead+prefixSize {
		return store.Value{}, fmt.Errorf("disk store: file of %d bytes: %w", size, errTorn)
	}
	all := make([]byte, size)
	if n, err := f.ReadAt(all, 0); n != len(all) {
		return store.Value{}, fmt.Errorf("disk store: %w: %w", errTorn, err)
	}
	p, head, body, err := parseFile(all)
	if err != nil {
		return store.Value{}, err
	}
	keyAt := groupSize * p.groups
	if string(head[keyAt:keyAt+p.keyLen]) != string(key) || s.over(p, head, time.Now()) {
		return store.Value{}, errOver
	}
	meta := store.Meta{Header: head[keyAt+p.keyLen:], Size: p.body, Cost: p.cost}
	return store.Value{Meta: meta, Body: bytes.NewReader(body), Bytes: body}, nil
}

// parseFile takes a whole file apart, or says that it is damaged.
func parseFile(all []byte) (p prefix, head, body []byte, err error) {
	if p, err = parsePrefix(all); err != nil {
		return p, nil, nil, fmt.Errorf("disk store: prefix: %w", err)
	}
	if int64(len(all)) != prefixSize+int64(p.head)+p.body {
		return p, nil, nil, fmt.Errorf("disk store: length: %w", errTorn)
	}
	end := prefixSize + p.head
	if crc32.Checksum(all[8:end], castagnoli()) != binary.LittleEndian.Uint32(all[4:]) {
		return p, nil, nil, fmt.Errorf("disk store: head: %w", errTorn)
	}
	if crc32.Checksum(all[end:], castagnoli()) != p.bodySum {
		return p, nil, nil, fmt.Errorf("disk store: body: %w", errTorn)
	}
	return p, all[prefixSize:end:end], all[end:], nil
}
