package hdf5compat_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/terrazzo-data/terrazzo/internal/formats/native/hdf5compat"
)

// latest is what HDF5 2.0 wrote; internal/formats/native/hdf5file compares all
// that is read of it through the translator.
func latest(tb testing.TB) []byte {
	tb.Helper()
	data, err := os.ReadFile("../hdf5file/testdata/latest.h5")
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// places yields where a signature is in the file.
func places(data []byte, sign string) []int {
	var at []int
	for i := 0; ; {
		k := bytes.Index(data[i:], []byte(sign))
		if k < 0 {
			return at
		}
		at = append(at, i+k)
		i += k + len(sign)
	}
}

// TestDamaged: what has a wrong checksum stays as it is.
func TestDamaged(t *testing.T) {
	data := latest(t)
	changed := 0
	for _, at := range places(data, "OHDR") {
		p := bytes.Clone(data[at:min(at+512, len(data))])
		hdf5compat.New(bytes.NewReader(data)).Patch(int64(at), p)
		if bytes.Equal(p, data[at:at+len(p)]) {
			continue
		}
		changed++
		broken := bytes.Clone(data)
		broken[at+20] ^= 1
		p = bytes.Clone(broken[at:min(at+512, len(data))])
		if hdf5compat.New(bytes.NewReader(broken)).Patch(int64(at), p); !bytes.Equal(p, broken[at:at+len(p)]) {
			t.Errorf("the header at %d was changed though it is damaged", at)
		}
	}
	if changed < 20 {
		t.Errorf("%d headers were changed", changed)
	}
}

// TestInParts reads headers as libraries do that ask for a first part to learn
// the length: the parts are those of the whole.
func TestInParts(t *testing.T) {
	data := latest(t)
	for _, at := range places(data, "OHDR") {
		whole := bytes.Clone(data[at:min(at+4096, len(data))])
		hdf5compat.New(bytes.NewReader(data)).Patch(int64(at), whole)
		for _, first := range []int{32, 64, 150} {
			tr := hdf5compat.New(bytes.NewReader(data))
			parts := bytes.Clone(data[at:min(at+4096, len(data))])
			tr.Patch(int64(at), parts[:first])
			// The second part ends where the header does.
			for end := len(parts); end > first; end-- {
				again := hdf5compat.New(bytes.NewReader(data))
				again.Patch(int64(at), parts[:first:first])
				tail := bytes.Clone(data[at+first : at+end])
				again.Patch(int64(at+first), tail)
				if !bytes.Equal(tail, data[at+first:at+end]) {
					copy(parts[first:], tail)
					break
				}
				if end < len(parts)-600 {
					break
				}
			}
			if n := first; !bytes.Equal(parts[:n], whole[:n]) {
				t.Fatalf("the first %d bytes of the header at %d differ", n, at)
			}
		}
	}
}

// TestNotOurs: files whose superblock is older, or is none, are left alone.
func TestNotOurs(t *testing.T) {
	data := latest(t)
	at := places(data, "OHDR")[3]
	for name, spoil := range map[string]func([]byte){
		"superblock of version 0": func(b []byte) { b[512+8] = 0 },
		"addresses of 4 bytes":    func(b []byte) { b[512+9] = 4 },
		"no superblock":           func(b []byte) { b[512] = 'x' },
	} {
		other := bytes.Clone(data)
		spoil(other)
		p := bytes.Clone(other[at : at+512])
		if beyond := hdf5compat.New(bytes.NewReader(other)).Patch(int64(at), p); beyond || !bytes.Equal(p, other[at:at+512]) {
			t.Errorf("%s: was changed", name)
		}
	}
}

// FuzzTranslator patches and reads what may be anything.
func FuzzTranslator(f *testing.F) {
	data := latest(f)
	for _, sign := range []string{"OHDR", "OCHK", "FHDB", "FAHD", "EAHD", "BTHD", "GCOL"} {
		at := places(data, sign)
		if len(at) == 0 {
			f.Fatalf("no %s in the seed", sign)
		}
		f.Add(sign, uint32(at[len(at)-1]), uint16(512), byte(3), byte(9))
	}
	f.Fuzz(func(t *testing.T, sign string, offset uint32, size uint16, where, value byte) {
		own := bytes.Clone(data)
		at := int(offset) % len(own)
		own[(at+int(where))%len(own)] = value
		tr := hdf5compat.New(bytes.NewReader(own))
		for _, k := range places(own, "OHDR") {
			tr.Patch(int64(k), own[k:min(k+int(size), len(own))])
		}
		for _, k := range places(own, sign) {
			if len(sign) < 3 {
				break
			}
			tr.Patch(int64(k), own[k:min(k+int(size), len(own))])
		}
		p := make([]byte, 4096)
		for range 4 {
			for _, sign := range []string{"FAHD", "EAHD", "BTHD", "FADB", "EAIB", "EASB", "EADB", "BTIN", "BTLF"} {
				for _, k := range places(own, sign) {
					tr.Read(hdf5compat.Beyond+int64(k), p)
				}
			}
		}
		tr.Read(hdf5compat.Beyond+hdf5compat.Beyond/2+512, p)
	})
}
