// SPDX-License-Identifier: BSD-3-Clause

// Package storetest is the suite that every [store.Store] runs, the ones of this module
// and those of others:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T, capacity int64) store.Store { return mine.New(capacity) })
//	}
package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/store"
)

// Open makes an empty store that may hold about capacity bytes. It registers its own
// clean-up with t.
type Open func(t *testing.T, capacity int64) store.Store

// room is a capacity in which the small values of a test all fit.
const room = 8 << 20

// Run runs the whole suite.
func Run(t *testing.T, open Open) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Open){
		"round trip":           roundTrip,
		"unknown size":         unknownSize,
		"taken without a copy": taken,
		"wrong size":           wrongSize,
		"abort":                abort,
		"replace":              replace,
		"delete":               deleteOne,
		"delete a group":       deleteGroup,
		"limits":               limits,
		"owned bytes":          ownedBytes,
		"bound":                bound,
		"too large":            tooLarge,
		"many at once":         manyAtOnce,
		"model":                model,
		"expiry":               expiry,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

// Put stores a body in one call, and fails the test if it cannot.
func Put(tb testing.TB, s store.Store, key store.Key, meta store.Meta, body []byte) {
	tb.Helper()
	if err := put(tb, s, key, meta, body); err != nil {
		tb.Fatalf("put %q: %v", key, err)
	}
}

func put(tb testing.TB, s store.Store, key store.Key, meta store.Meta, body []byte) error {
	tb.Helper()
	w, err := s.Put(tb.Context(), key, meta)
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := w.Write(body); err != nil {
		return err
	}
	return w.Commit()
}

// Get reads a value whole; absent is a nil body.
func Get(tb testing.TB, s store.Store, key store.Key) (header, body []byte) {
	tb.Helper()
	v, err := s.Get(tb.Context(), key)
	if errors.Is(err, errdef.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		tb.Fatalf("get %q: %v", key, err)
	}
	defer v.Release()
	body, err = io.ReadAll(io.NewSectionReader(v.Body, 0, v.Size))
	if err != nil || int64(len(body)) != v.Size {
		tb.Fatalf("get %q: %d of %d bytes: %v", key, len(body), v.Size, err)
	}
	if v.Bytes != nil && !bytes.Equal(v.Bytes, body) {
		tb.Fatalf("get %q: Bytes and Body differ", key)
	}
	return bytes.Clone(v.Header), body
}

func want(tb testing.TB, s store.Store, key store.Key, body []byte) {
	tb.Helper()
	if _, got := Get(tb, s, key); !bytes.Equal(got, body) || (got == nil) != (body == nil) {
		tb.Errorf("%q holds %d bytes (nil: %v), want %d (nil: %v)", key, len(got), got == nil, len(body), body == nil)
	}
}

func roundTrip(t *testing.T, open Open) {
	t.Helper()
	s := open(t, room)
	meta := store.Meta{Header: []byte("head\x00er"), Size: 5, Cost: time.Second, Groups: []string{"g"}}
	Put(t, s, "key \x00/../é", meta, []byte("hello"))
	v, err := s.Get(t.Context(), "key \x00/../é")
	if err != nil {
		t.Fatal(err)
	}
	defer v.Release()
	if string(v.Header) != "head\x00er" || v.Size != 5 || v.Cost != time.Second {
		t.Errorf("got %+v", v.Meta)
	}
	want(t, s, "key \x00/../é", []byte("hello"))
	want(t, s, "other", nil)
	Put(t, s, "empty", store.Meta{}, []byte{})
	want(t, s, "empty", []byte{})
	if st := s.Stats(); st.Entries != 2 || st.Bytes <= 0 || st.Hits < 2 || st.Misses != 1 || st.Stores != 2 {
		t.Errorf("stats %+v", st)
	}
}

func unknownSize(t *testing.T, open Open) {
	t.Helper()
	s := open(t, room)
	w, err := s.Put(t.Context(), "k", store.Meta{Size: store.UnknownSize})
	if err != nil {
		t.Fatal(err)
	}
	var body []byte
	for i := range 100 {
		piece := bytes.Repeat([]byte{byte(i)}, 1000+i)
		body = append(body, piece...)
		if _, err := w.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	want(t, s, "k", nil)
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	want(t, s, "k", body)
}

func taken(t *testing.T, open Open) {
	t.Helper()
	s := open(t, room)
	w, err := s.Put(t.Context(), "k", store.Meta{Size: 3})
	if err != nil {
		t.Fatal(err)
	}
	body := []byte("abc")
	if taker, ok := w.(store.Taker); ok {
		err = taker.Take(body)
	} else {
		_, err = w.Write(body)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	want(t, s, "k", body)
}

func wrongSize(t *testing.T, open Open) {
	t.Helper()
	s := open(t, room)
	if err := put(t, s, "short", store.Meta{Size: 9}, []byte("abc")); !errors.Is(err, errdef.ErrInvalid) {
		t.Errorf("three of nine bytes: %v, want ErrInvalid", err)
	}
	if err := put(t, s, "long", store.Meta{Size: 2}, []byte("abc")); !errors.Is(err, errdef.ErrTooLarge) {
		t.Errorf("three of two bytes: %v, want ErrTooLarge", err)
	}
	want(t, s, "short", nil)
	want(t, s, "long", nil)
}

func abort(t *testing.T, open Open) {
	t.Helper()
	s := open(t, room)
	Put(t, s, "k", store.Meta{Size: 3}, []byte("old"))
	before := s.Stats().Bytes
	w, err := s.Put(t.Context(), "k", store.Meta{Size: 3})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("ne")); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	want(t, s, "k", []byte("old"))
	if after := s.Stats().Bytes; after != before {
		t.Errorf("an aborted write left %d bytes behind", after-before)
	}
}

func replace(t *testing.T, open Open) {
	t.Helper()
	s := open(t, room)
	Put(t, s, "k", store.Meta{Header: []byte("1"), Size: 3, Groups: []string{"a"}}, []byte("old"))
	old, err := s.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	Put(t, s, "k", store.Meta{Header: []byte("2"), Size: 6, Groups: []string{"b"}}, []byte("newest"))
	got, err := io.ReadAll(io.NewSectionReader(old.Body, 0, old.Size))
	if err != nil || string(got) != "old" || string(old.Header) != "1" {
		t.Errorf("a value on loan became %q %q %v", old.Header, got, err)
	}
	old.Release()
	want(t, s, "k", []byte("newest"))
	if st := s.Stats(); st.Entries != 1 || st.Pinned != 0 {
		t.Errorf("stats %+v", st)
	}
	if err := s.DeleteGroup(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	want(t, s, "k", []byte("newest"))
}

func deleteOne(t *testing.T, open Open) {
	t.Helper()
	s := open(t, room)
	Put(t, s, "a", store.Meta{Size: 1}, []byte("a"))
	Put(t, s, "b", store.Meta{Size: 1}, []byte("b"))
	for _, key := range []store.Key{"a", "a", "never"} {
		if err := s.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	want(t, s, "a", nil)
	want(t, s, "b", []byte("b"))
}

func deleteGroup(t *testing.T, open Open) {
	t.Helper()
	s := open(t, room)
	for i := range 20 {
		groups := []string{"all", fmt.Sprint("n", i%2)}
		Put(t, s, store.Key(fmt.Sprint(i)), store.Meta{Size: 1, Groups: groups}, []byte{byte(i)})
	}
	if err := s.DeleteGroup(t.Context(), "n1"); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		body := []byte{byte(i)}
		if i%2 == 1 {
			body = nil
		}
		want(t, s, store.Key(fmt.Sprint(i)), body)
	}
	Put(t, s, "1", store.Meta{Size: 1, Groups: []string{"n1"}}, []byte("x"))
	want(t, s, "1", []byte("x"))
	if err := s.DeleteGroup(t.Context(), "all"); err != nil {
		t.Fatal(err)
	}
	want(t, s, "0", nil)
	want(t, s, "1", []byte("x"))
}

func limits(t *testing.T, open Open) {
	t.Helper()
	s := open(t, room)
	long := string(bytes.Repeat([]byte("k"), 2000))
	for name, try := range map[string]struct {
		key  store.Key
		meta store.Meta
	}{
		"no key":      {"", store.Meta{}},
		"long key":    {store.Key(long), store.Meta{}},
		"header":      {"k", store.Meta{Header: make([]byte, store.MaxHeader+1)}},
		"groups":      {"k", store.Meta{Groups: make([]string, store.MaxGroups+1)}},
		"group name":  {"k", store.Meta{Groups: []string{long}}},
		"empty group": {"k", store.Meta{Groups: []string{""}}},
		"cost":        {"k", store.Meta{Cost: -1}},
		"size":        {"k", store.Meta{Size: -2}},
	} {
		if _, err := s.Put(t.Context(), try.key, try.meta); !errors.Is(err, errdef.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
}

// ownedBytes: hazard H7, a caller that reuses its buffers changes nothing.
func ownedBytes(t *testing.T, open Open) {
	t.Helper()
	s := open(t, room)
	header, body := []byte("header"), []byte("body")
	w, err := s.Put(t.Context(), "k", store.Meta{Header: header, Size: 4})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	copy(header, "XXXXXX")
	copy(body, "XXXX")
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	gotHeader, gotBody := Get(t, s, "k")
	if string(gotHeader) != "header" || string(gotBody) != "body" {
		t.Errorf("got %q %q", gotHeader, gotBody)
	}
}

// bound: the store never holds more than it may, at any moment.
func bound(t *testing.T, open Open) {
	t.Helper()
	const capacity = 1 << 20
	s := open(t, capacity)
	for i := range 200 {
		Put(t, s, store.Key(fmt.Sprint(i)), store.Meta{Size: 32 << 10, Cost: time.Second}, make([]byte, 32<<10))
		if st := s.Stats(); st.Bytes > st.Capacity || st.Capacity > capacity {
			t.Fatalf("after %d: %+v", i, st)
		}
	}
	if st := s.Stats(); st.Evictions == 0 || st.Entries == 0 {
		t.Errorf("stats %+v", st)
	}
}

func tooLarge(t *testing.T, open Open) {
	t.Helper()
	const capacity = 1 << 20
	s := open(t, capacity)
	Put(t, s, "small", store.Meta{Size: 10}, make([]byte, 10))
	for _, size := range []int64{2 << 20, store.UnknownSize} {
		if err := put(t, s, "big", store.Meta{Size: size}, make([]byte, 2<<20)); !errors.Is(err, errdef.ErrTooLarge) {
			t.Errorf("size %d: %v, want ErrTooLarge", size, err)
		}
		want(t, s, "big", nil)
	}
	if st := s.Stats(); st.Bytes > st.Capacity {
		t.Errorf("stats %+v", st)
	}
}

// manyAtOnce: every body that is read is one that was written to that key, whole.
func manyAtOnce(t *testing.T, open Open) {
	t.Helper()
	s := open(t, 1<<20)
	var wait sync.WaitGroup
	for worker := range 8 {
		wait.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(worker)))
			for range 150 {
				key := random.IntN(40)
				name := store.Key(fmt.Sprint(key))
				switch random.IntN(5) {
				case 0:
					_ = s.Delete(t.Context(), name)
				case 1:
					_ = s.DeleteGroup(t.Context(), fmt.Sprint("g", key%4))
				case 2:
					body := bytes.Repeat([]byte{byte(key)}, 1000+random.IntN(60_000))
					meta := store.Meta{Header: []byte{byte(key)}, Size: int64(len(body)), Groups: []string{fmt.Sprint("g", key%4)}}
					if err := put(t, s, name, meta, body); err != nil && !errors.Is(err, errdef.ErrTooLarge) {
						t.Errorf("put: %v", err)
					}
				default:
					whole(t, s, name, byte(key))
				}
			}
		})
	}
	wait.Wait()
	if st := s.Stats(); st.Bytes > st.Capacity || st.Pinned != 0 {
		t.Errorf("stats %+v", st)
	}
}

func whole(t *testing.T, s store.Store, key store.Key, fill byte) {
	t.Helper()
	v, err := s.Get(t.Context(), key)
	if err != nil {
		return
	}
	defer v.Release()
	body := make([]byte, v.Size)
	if _, err := v.Body.ReadAt(body, 0); err != nil && !errors.Is(err, io.EOF) {
		t.Errorf("read %q: %v", key, err)
	}
	if len(v.Header) != 1 || v.Header[0] != fill || len(bytes.Trim(body, string([]byte{fill}))) != 0 {
		t.Errorf("%q holds what was not written to it", key)
	}
}

// model: random operations against a map. What the store has is what the map has; what
// it does not have may have been given up.
func model(t *testing.T, open Open) {
	t.Helper()
	s := open(t, 256<<10)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	held := map[store.Key][]byte{}
	for range 600 {
		key := store.Key(fmt.Sprint("k", random.IntN(30)))
		switch random.IntN(4) {
		case 0:
			body := make([]byte, random.IntN(20_000))
			for i := range body {
				body[i] = byte(random.Uint32())
			}
			Put(t, s, key, store.Meta{Size: int64(len(body)), Cost: time.Duration(random.IntN(1e9))}, body)
			held[key] = body
		case 1:
			if err := s.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			delete(held, key)
		default:
			if _, got := Get(t, s, key); got != nil && !bytes.Equal(got, held[key]) {
				t.Fatalf("%q holds %d bytes, want %d", key, len(got), len(held[key]))
			}
		}
		if st := s.Stats(); st.Bytes > st.Capacity {
			t.Fatalf("stats %+v", st)
		}
	}
}

func expiry(t *testing.T, open Open) {
	t.Helper()
	s := open(t, room)
	Put(t, s, "k", store.Meta{Size: 1, TTL: time.Nanosecond}, []byte("x"))
	want(t, s, "k", nil)
	Put(t, s, "k", store.Meta{Size: 1, TTL: time.Hour}, []byte("x"))
	want(t, s, "k", []byte("x"))
}
