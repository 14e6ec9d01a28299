package client

import (
	"testing"

	"github.com/tinylib/msgp/msgp"
)

// FuzzDocument: whatever a server sends is a node or an error, and costs memory by what
// was sent.
func FuzzDocument(f *testing.F) {
	seeds := [][]byte{
		[]byte(`{"id":"a","attributes":{"structure_family":"array","structure":{"data_type":{"kind":"u","itemsize":2,"endianness":"little"},"shape":[4],"chunks":[[4]]}}}`),
		[]byte(`{"id":"a","attributes":{"structure_family":"table","structure":{"npartitions":1,"arrow_schema":"data:x;base64,AAAA","columns":[]}}}`),
		[]byte(`{"attributes":{"structure_family":"container","structure":{"count":3},"specs":[{"name":"x"}],"data_sources":[{"assets":[{"id":1}]}]}}`),
	}
	for _, s := range seeds {
		f.Add(false, s)
	}
	doc, err := msgp.AppendIntf(nil, map[string]any{"attributes": map[string]any{"structure_family": "array", "structure": map[string]any{"shape": []any{1}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(true, doc)
	f.Add(true, []byte{0xdd, 0xff, 0xff, 0xff, 0xff})
	c := &Client{}
	f.Fuzz(func(t *testing.T, packed bool, data []byte) {
		kind := "application/json"
		if packed {
			kind = "application/x-msgpack"
		}
		doc, err := parseDocument(kind, data)
		if err != nil {
			return
		}
		n, err := c.node([]string{"a"}, object(doc))
		if err != nil || n.ArrayStructure == nil {
			return
		}
		if got := len(n.ArrayStructure.Chunks); got != len(n.ArrayStructure.Shape) {
			t.Errorf("%d axes of chunks", got)
		}
	})
}
