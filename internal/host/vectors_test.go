package host

import (
	"bytes"
	"encoding/hex"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// TestVectors: what docs/host-protocol.md prints is what is sent.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("../../docs/host-protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)```hex (\\w+)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		found[m[1]] = strings.Join(strings.Fields(m[2]), "")
	}
	place := adapter.Place{Name: "a.h5", Path: "/d/a.h5", Stamp: adapter.Stamp{Inode: 7, Size: 9, Mtime: 1, Ctime: 2}}
	absent := adapter.Place{Name: "b.h5", Stamp: adapter.Stamp{Absent: true}}
	container, err := hex.DecodeString(strings.Join(strings.Fields(`8d a666616d696c79 a9636f6e7461696e6572 a46b657973 91a161 a5636f756e74 01
		a6696e6c696e65 c2 a86d65746164617461 81a17801 aa6d656469615f74797065 a3782f79 ab617070656e645f6f6e6c79 c2 a8696e5f706c616365 c2
		a5626c6f636b c0 ac66696e6765727072696e7473 c2 a57370656373 90 a7657874656e747390 a5706172747390`), ""))
	if err != nil {
		t.Fatal(err)
	}
	if told, err := parseTold(container); err != nil || told.count != 1 || len(told.d.Keys) != 1 || told.d.Metadata["x"] != int64(1) {
		t.Errorf("the description in the document: %+v, %v", told, err)
	}
	frames := map[string]struct {
		header any
		body   []byte
	}{
		"greeting": {Greeting{Protocol: 1, Program: "h", Formats: []FormatInfo{{Name: "f", Reads: "lib 1.2"}}}, nil},
		"ping":     {Request{Op: opPing}, nil},
		"pong":     {Reply{OK: true}, nil},
		"read":     {Request{Op: opReadBlock, Format: "f", Files: []File{fileOf(0, place)}, Items: 1, Block: []int64{0, 2}, DeadlineMS: 500, Budget: 64}, []byte("token")},
		"error":    {failed(errdef.ErrChanged), nil},
		"describe": {Request{Op: opDescribe, Format: "f", Files: []File{fileOf(0, place)}, Items: 1, Inside: [][]byte{[]byte("g")}, DeadlineMS: 500}, nil},
		"need":     {Reply{Need: []Need{{From: 0, Target: []byte("b.h5")}}}, nil},
		"linked": {Request{
			Op: opDescribe, Format: "f", Files: []File{fileOf(0, place), fileOf(1, absent)}, Items: 1, Inside: [][]byte{[]byte("g")},
			Links: []Link{{From: 0, Target: []byte("b.h5"), File: 1}}, DeadlineMS: 400,
		}, nil},
		"described":   {Reply{OK: true, Kind: kindDescription, Cost: Cost{Wait: 3, CPU: 4, Bytes: 9, Opens: 1}, Seen: []File{{ID: 0, Inode: 7, Size: 9, Mtime: 1, Ctime: 2}}}, container},
		"children":    {Request{Op: opChildren, Format: "f", Files: []File{fileOf(0, place)}, Items: 1, Offset: 2, Limit: 50}, nil},
		"members":     {Reply{OK: true, Kind: kindChildren}, []byte{0x92, 0xa1, 'c', 0xa1, 'd'}},
		"array":       {Reply{OK: true, Kind: kindArray, Shape: []int64{1, 2}, Cost: Cost{Wait: 3, CPU: 4, Bytes: 9, Opens: 1}}, []byte{1, 2}},
		"extents":     {Reply{OK: true, Kind: kindExtents, Shape: []int64{1, 2}, Extents: []Extent{{File: 0, Offset: 5, Length: 1}, {File: -1, Length: 1}}}, nil},
		"fingerprint": {Request{Op: opFingerprint, Format: "f", Files: []File{fileOf(0, place)}, Items: 1, Block: []int64{0, 2}, Budget: 16}, []byte("token")},
		"printed":     {Reply{OK: true, Kind: kindFingerprint}, []byte("0123456789abcdef")},
		"columns":     {Request{Op: opReadColumn, Format: "f", Files: []File{fileOf(0, place)}, Items: 1, Partition: 3, Columns: []int{0, 2}, Budget: 64}, []byte("token")},
	}
	for name, f := range frames {
		var b bytes.Buffer
		if err := writeFrame(&b, f.header, f.body); err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(b.Bytes()); got != found[name] {
			t.Errorf("%s:\n got %s\nwant %s", name, got, found[name])
		}
	}
	if len(found) != len(frames) {
		t.Errorf("%d vectors in the document, %d here", len(found), len(frames))
	}
}

// FuzzReply: no reply of a host that has gone mad harms the server.
func FuzzReply(f *testing.F) {
	var seed bytes.Buffer
	_ = writeFrame(&seed, Reply{OK: true, Kind: kindArray, Shape: []int64{1}}, []byte{1, 2})
	f.Add(seed.Bytes())
	body, err := appendTold(told{d: &adapter.Description{Family: "container", Keys: []string{"a"}, Metadata: map[string]any{"x": 1.5}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Reply
		_, _ = readFrame(bytes.NewReader(b), &r, upTo(1<<20))
		if told, err := parseTold(b); err == nil {
			n := notes{Files: []string{"a"}, Items: 1, Extents: told.extents}
			for _, p := range told.parts {
				n.Parts = append(n.Parts, notedPart(p))
			}
			_ = n.check(told.d)
		}
	})
}
