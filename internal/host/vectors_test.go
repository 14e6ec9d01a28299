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
	frames := map[string]struct {
		header any
		body   []byte
	}{
		"greeting": {Greeting{Protocol: 1, Program: "h", Formats: []FormatInfo{{Name: "f", Reads: "lib 1.2"}}}, nil},
		"ping":     {Request{Op: opPing}, nil},
		"pong":     {Reply{OK: true}, nil},
		"read":     {Request{Op: opReadBlock, Format: "f", Files: []File{fileOf(0, place)}, Items: 1, Block: []int64{0, 2}, DeadlineMS: 500, Budget: 64}, []byte("token")},
		"error":    {failed(errdef.ErrChanged), nil},
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
