package coding_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/coding"
)

func newSet(tb testing.TB, s coding.Settings) *coding.Set {
	tb.Helper()
	set, err := coding.New(s)
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

const (
	octets  = "application/octet-stream"
	asJSON  = "application/json"
	python  = "gzip, deflate, zstd, blosc2"
	browser = "gzip, deflate, br, zstd"
)

func TestNegotiate(t *testing.T) {
	set := newSet(t, coding.Settings{})
	for _, c := range []struct {
		name, accept, media string
		size                int64
		class               coding.Class
		want                string // a tag, or "406"
	}{
		{"no field", "", octets, 1 << 20, coding.Slow, ""},
		{"python on loopback", python, octets, 1 << 20, coding.Loopback, ""},
		{"python on site", python, octets, 1 << 20, coding.Fast, "blosc2-lz4"},
		{"browser on site, array", browser, octets, 1 << 20, coding.Fast, ""},
		{"browser on site, json", browser, asJSON, 1 << 20, coding.Fast, "zstd1"},
		{"python far away", python, octets, 1 << 20, coding.Slow, "blosc2-zstd"},
		{"python, json", python, asJSON, 1 << 20, coding.Slow, "zstd1"},
		{"browser, array", browser, octets, 1 << 20, coding.Slow, "zstd1"},
		{"browser, page", browser, "text/html; charset=utf-8", 1 << 20, coding.Slow, "zstd1"},
		{"upper case", "GZIP", asJSON, 1 << 20, coding.Slow, "gzip1"},
		{"x-gzip", "x-gzip", asJSON, 1 << 20, coding.Slow, "gzip1"},
		{"only unknown", "br, deflate", asJSON, 1 << 20, coding.Slow, ""},
		{"999 bytes", python, asJSON, 999, coding.Slow, ""},
		{"1000 bytes", python, asJSON, 1000, coding.Slow, "zstd1"},
		{"unknown size", python, asJSON, -1, coding.Slow, "zstd1"},
		{"png", python, "image/png", 1 << 20, coding.Slow, ""},
		{"json-seq", python, "application/json-seq", 1 << 20, coding.Slow, ""},
		{"weights rule", "zstd;q=0.5, gzip;q=0.9", asJSON, 1 << 20, coding.Slow, "gzip1"},
		{"a weight under an unknown one", "br, gzip;q=0.5", asJSON, 1 << 20, coding.Slow, "gzip1"},
		{"weight 0", "zstd;q=0, gzip", asJSON, 1 << 20, coding.Slow, "gzip1"},
		{"weight 0 in full", "zstd;q=0.000,gzip;q=0.001", asJSON, 1 << 20, coding.Slow, "gzip1"},
		{"star", "*", asJSON, 1 << 20, coding.Slow, "zstd1"},
		{"star without zstd", "zstd;q=0, *;q=0.1", asJSON, 1 << 20, coding.Slow, "gzip1"},
		{"identity heavier", "identity, gzip;q=0.5", asJSON, 1 << 20, coding.Slow, ""},
		{"identity lighter", "identity;q=0.1, gzip;q=0.5", octets, 1 << 20, coding.Loopback, "gzip1"},
		{"identity refused", "identity;q=0, gzip", asJSON, 1 << 20, coding.Loopback, "gzip1"},
		{"identity refused, small", "identity;q=0, gzip", asJSON, 10, coding.Slow, "gzip1"},
		{"identity refused, png", "identity;q=0, gzip", "image/png", 10, coding.Slow, "gzip1"},
		{"identity refused alone", "identity;q=0", asJSON, 1 << 20, coding.Slow, "406"},
		{"star refused", "*;q=0", asJSON, 1 << 20, coding.Slow, "406"},
		{"all but gzip refused", "*;q=0, gzip", asJSON, 1 << 20, coding.Slow, "gzip1"},
		{"all refused but identity", "*;q=0, identity", asJSON, 1 << 20, coding.Slow, ""},
		{"identity refused, rest unknown", "br, identity;q=0", asJSON, 1 << 20, coding.Slow, "406"},
		{"lz4", "lz4", octets, 1 << 20, coding.Slow, "lz4"},
		{"lz4, unknown size", "lz4", octets, -1, coding.Slow, ""},
		{"lz4, too long", "lz4", octets, coding.LZ4Limit/8 + 1, coding.Slow, ""},
		{"blosc2 is for arrays", "blosc2", asJSON, 1 << 20, coding.Slow, ""},
		{"bad weight is passed over", "zstd;q=2, gzip", asJSON, 1 << 20, coding.Slow, "gzip1"},
		{"not a number", "zstd;q=NaN", asJSON, 1 << 20, coding.Slow, ""},
		{"another parameter", "zstd;level=3", asJSON, 1 << 20, coding.Slow, ""},
		{"spaces", " zstd ; q = 1 , ", asJSON, 1 << 20, coding.Slow, "zstd1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := set.Negotiate(c.accept, c.media, c.size, c.class)
			switch {
			case c.want == "406":
				if !errors.Is(err, errdef.ErrNotAcceptable) {
					t.Errorf("%v, %v, expected ErrNotAcceptable", got, err)
				}
			case err != nil:
				t.Error(err)
			case got.Tag() != c.want:
				t.Errorf("%q, expected %q", got.Tag(), c.want)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	set := newSet(t, coding.Settings{Loopback: coding.Preference{Binary: []string{"zstd:5", "gzip"}}})
	for accept, want := range map[string]string{"gzip, zstd": "zstd5", "gzip": "gzip1", "lz4": ""} {
		if c, err := set.Negotiate(accept, octets, -1, coding.Loopback); err != nil || c.Tag() != want {
			t.Errorf("%s: %v, %v, expected %q", accept, c, err, want)
		}
	}
	if c, err := set.Negotiate("gzip", asJSON, -1, coding.Loopback); err != nil || c.Name() != "" {
		t.Errorf("text was not set: %v, %v", c, err)
	}
	if _, err := coding.New(coding.Settings{Slow: coding.Preference{Text: []string{"br"}}}); !errors.Is(err, errdef.ErrInvalid) {
		t.Errorf("br: %v", err)
	}
}

func TestAccepts(t *testing.T) {
	set := newSet(t, coding.Settings{})
	for tag, want := range map[string]bool{"": true, "gzip1": true, "zstd1": true, "blosc2-lz4": false, "lz4": false, "nonsense": false} {
		if got := set.Accepts("gzip, zstd;q=0.1, blosc2;q=0", tag); got != want {
			t.Errorf("%q: %v", tag, got)
		}
	}
	// Whatever Negotiate may answer is accepted.
	for _, accept := range []string{"", "*", python, browser, "*;q=0, gzip"} {
		for _, class := range []coding.Class{coding.Loopback, coding.Fast, coding.Slow} {
			for _, media := range []string{octets, asJSON, "image/png"} {
				if c, err := set.Negotiate(accept, media, 5000, class); err != nil || !set.Accepts(accept, c.Tag()) {
					t.Errorf("%q, %s: %v, %v", accept, media, c, err)
				}
			}
		}
	}
}

func TestClassOf(t *testing.T) {
	for text, want := range map[string]coding.Class{
		"127.0.0.1": coding.Loopback, "::1": coding.Loopback, "::ffff:127.0.0.1": coding.Loopback,
		"10.1.2.3": coding.Fast, "192.168.0.9": coding.Fast, "fd00::1": coding.Fast, "fe80::1": coding.Fast,
		"8.8.8.8": coding.Slow, "2001:db8::1": coding.Slow,
	} {
		if got := coding.ClassOf(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v, expected %v", text, got, want)
		}
	}
	if got := coding.ClassOf(netip.Addr{}); got != coding.Slow {
		t.Errorf("no address: %v", got)
	}
}

func FuzzNegotiate(f *testing.F) {
	for _, accept := range []string{"", python, browser, "*;q=0", "gzip;q=0.5, identity;q=0", ";;,=q", strings.Repeat("a,", 50)} {
		f.Add(accept, octets, int64(-1))
		f.Add(accept, "text/html;charset=x", int64(5000))
	}
	set := newSet(f, coding.Settings{})
	f.Fuzz(func(t *testing.T, accept, media string, size int64) {
		c, err := set.Negotiate(accept, media, size, coding.Slow)
		if (c == nil) == (err == nil) {
			t.Fatalf("%v and %v", c, err)
		}
		if err == nil && c.Name() != "" && !strings.Contains(strings.ToLower(accept), c.Name()) && !strings.Contains(accept, "*") {
			t.Fatalf("%q was not asked for in %q", c.Name(), accept)
		}
	})
}
