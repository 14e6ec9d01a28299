package hdf5

import "testing"

// TestLookup3 has the values that the function's author publishes.
func TestLookup3(t *testing.T) {
	for text, want := range map[string]uint32{"": 0xdeadbeef, "Four score and seven years ago": 0x17770551} {
		if got := Checksum([]byte(text)); got != want {
			t.Errorf("%q: got %08x, want %08x", text, got, want)
		}
	}
}
