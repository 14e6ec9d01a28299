package coding

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// Class is how far away an asker is, which decides what a byte saved is worth.
type Class int

// The classes, nearest first.
const (
	Loopback Class = iota // the same machine
	Fast                  // a private address: the same site
	Slow                  // anywhere else
	classes
)

// ClassOf returns the class of the asker's address, as seen or as a trusted
// proxy reported it. An invalid one is Slow.
func ClassOf(addr netip.Addr) Class {
	addr = addr.Unmap()
	switch {
	case addr.IsLoopback():
		return Loopback
	case addr.IsPrivate(), addr.IsLinkLocalUnicast():
		return Fast
	default:
		return Slow
	}
}

// MinSize is the planned size in bytes under which nothing is compressed.
const MinSize = 1000

// Preference is what a class of askers gets: settings as [Parse] takes them,
// the best first. What is not listed is not used; "identity" stands where not
// compressing is as good. An empty list means identity alone.
type Preference struct {
	Binary []string // arrays and Arrow files
	Text   []string // JSON, msgpack, CSV, HTML, plain text, xlsx
}

// Settings has a preference for each class. The zero value of a preference
// (both lists nil) means that of [Defaults].
type Settings struct {
	Loopback, Fast, Slow Preference
}

// Defaults returns the preferences that measurements led to; see
// docs/design/0004-content-codings.md.
func Defaults() Settings {
	return Settings{
		Loopback: Preference{
			Binary: []string{"identity", "blosc2:lz4", "lz4", "gzip:1", "zstd:1"},
			Text:   []string{"identity", "lz4", "gzip:1", "zstd:1"},
		},
		Fast: Preference{
			Binary: []string{"blosc2:lz4", "identity", "lz4", "gzip:1", "zstd:1"},
			Text:   []string{"zstd:1", "gzip:1", "lz4", "identity"},
		},
		Slow: Preference{
			Binary: []string{"blosc2:zstd", "zstd:1", "gzip:1", "lz4", "identity"},
			Text:   []string{"zstd:1", "gzip:1", "lz4", "identity"},
		},
	}
}

// Set is the codings of a server, built from its settings. It is safe for
// concurrent use.
type Set struct {
	order [classes][bodies][]Coding
	names map[string]string // of all codings, by their tags
}

// New builds the codings that the settings name. An unknown one is
// [errdef.ErrInvalid].
func New(s Settings) (*Set, error) {
	defaults := Defaults()
	set := &Set{names: map[string]string{}}
	built := map[string]Coding{} // one of each, so that they share their pools
	for class, p := range [classes][2]Preference{
		Loopback: {s.Loopback, defaults.Loopback}, Fast: {s.Fast, defaults.Fast}, Slow: {s.Slow, defaults.Slow},
	} {
		chosen := p[0]
		if chosen.Binary == nil && chosen.Text == nil {
			chosen = p[1]
		}
		for body, names := range [bodies][]string{binaryBody: chosen.Binary, textBody: chosen.Text} {
			for _, name := range append(slices.Clone(names), "identity") {
				if built[name] == nil {
					c, err := Parse(name)
					if err != nil {
						return nil, err
					}
					built[name] = c
					set.names[c.Tag()] = c.Name()
				}
				set.order[class][body] = append(set.order[class][body], built[name])
			}
		}
	}
	return set, nil
}

// Negotiate chooses the coding for a body of the media type (parameters are
// ignored) and planned size in bytes (-1 if unknown), for an asker of that class
// who sent that Accept-Encoding (all its lines joined by commas; "" also for
// none: RFC 9110 §12.5.3 lets us answer either with identity).
//
// The asker's weights count first, then the order of the settings; identity, if
// the asker does not mention it, weighs as much as the best. Types that gain
// nothing, and bodies under [MinSize], are sent as they are. Where identity is
// refused (identity;q=0 or *;q=0) they are compressed all the same if they can
// be, and otherwise the error is [errdef.ErrNotAcceptable].
func (s *Set) Negotiate(acceptEncoding, mediaType string, plannedSize int64, class Class) (Coding, error) {
	accepted := parseAccept(acceptEncoding)
	if class < Loopback || class > Slow {
		class = Slow
	}
	body, worth := bodyOf(mediaType)
	worth = worth && (plannedSize < 0 || plannedSize >= MinSize) || accepted.refusesIdentity()
	order := s.order[class][body]
	usable := func(c Coding) bool { return worth && c.Name() != "" && fits(c, plannedSize) }
	best := 0
	for _, c := range order {
		if usable(c) {
			q, _ := accepted.weight(c.Name())
			best = max(best, q)
		}
	}
	plain, said := accepted.weight("")
	if !said {
		plain = max(best, 1)
	}
	best = max(best, plain)
	for _, c := range order {
		q, _ := accepted.weight(c.Name())
		if best > 0 && (c.Name() == "" && plain == best || usable(c) && q == best) {
			return c, nil
		}
	}
	return nil, fmt.Errorf("Accept-Encoding %q leaves nothing to send: allow identity, gzip or zstd: %w", acceptEncoding, errdef.ErrNotAcceptable)
}

// Accepts reports whether an asker with that Accept-Encoding could have been
// sent, at some time, a body with that [Coding.Tag], whatever the body and the
// class: an If-None-Match with it is a match then.
func (s *Set) Accepts(acceptEncoding, tag string) bool {
	if tag == "" {
		return true
	}
	name, ok := s.names[tag]
	if !ok {
		return false
	}
	q, _ := parseAccept(acceptEncoding).weight(name)
	return q > 0
}

// fits reports whether the coding can take a body of that size.
func fits(c Coding, plannedSize int64) bool {
	return c.Name() != "lz4" || plannedSize >= 0 && plannedSize <= LZ4Limit/8
}
