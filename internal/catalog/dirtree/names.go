package dirtree

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/terrazzo-data/terrazzo/adapter"
)

// rules say which names belong together, what they are called and what reads
// them.
type rules struct {
	keepExt bool
	include []string
	// By suffix, of files, of numbered files and of folders.
	files, sequences, folders map[string]adapter.Format
	// Media types that were asked for and that nothing here reads.
	unread map[string]string
}

func newRules(opts Options) rules {
	r := rules{
		keepExt: opts.KeepExt, include: opts.IncludeExt,
		files: map[string]adapter.Format{}, sequences: map[string]adapter.Format{}, folders: map[string]adapter.Format{},
		unread: map[string]string{},
	}
	byType := map[string]adapter.Format{}
	for _, f := range opts.Formats {
		k := f.Kind()
		table := r.files
		switch {
		case k.Sequence:
			table = r.sequences
		case k.Folder:
			table = r.folders
		}
		for _, ext := range k.Extensions {
			if _, ok := table[ext]; !ok {
				table[ext] = f
			}
		}
		if _, ok := byType[k.MediaType]; !ok {
			byType[k.MediaType] = f
		}
	}
	for ext, mediaType := range opts.Ext {
		delete(r.files, ext)
		f, ok := byType[mediaType]
		switch {
		case !ok || f.Kind().Sequence:
			r.unread[ext] = mediaType
		case f.Kind().Folder:
			r.folders[ext] = f
		default:
			r.files[ext] = f
		}
	}
	return r
}

// suffixes are those of Python's pathlib, on which the keys of Tiled rest:
// everything from the first dot that is not at the start, in pieces; none for
// a name that ends in a dot.
func suffixes(name string) []string {
	if strings.HasSuffix(name, ".") {
		return nil
	}
	parts := strings.Split(strings.TrimLeft(name, "."), ".")[1:]
	for i := range parts {
		parts[i] = "." + parts[i]
	}
	return parts
}

// lastSuffix is pathlib's suffix.
func lastSuffix(name string) string {
	if i := strings.LastIndexByte(name, '.'); i > 0 && i < len(name)-1 {
		return name[i:]
	}
	return ""
}

// key is what an item of that name is called.
func (r rules) key(name string) string {
	if !r.keepExt {
		name = strings.TrimSuffix(name, strings.Join(suffixes(name), ""))
	}
	return text(name)
}

// text is a name as a key. Clients put keys into addresses as they are, so what
// would end or change there becomes %XX: bytes that are not UTF-8, control
// characters, '#', '?', and a '%' that looks like the start of such a code.
func text(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); {
		r, size := utf8.DecodeRuneInString(name[i:])
		if r == utf8.RuneError && size == 1 || r < ' ' || r == 0x7f || r == '#' || r == '?' || r == '%' && hexadecimal(name[i+1:]) {
			fmt.Fprintf(&b, "%%%02X", name[i])
		} else {
			b.WriteString(name[i : i+size])
		}
		i += size
	}
	return b.String()
}

// hexadecimal says whether a text starts with two hexadecimal digits.
func hexadecimal(s string) bool {
	const digits = "0123456789abcdefABCDEF"
	return len(s) >= 2 && strings.IndexByte(digits, s[0]) >= 0 && strings.IndexByte(digits, s[1]) >= 0
}

// find looks for the longest suffix of a name in a table, exactly and then in
// lower case.
func find[V any](table map[string]V, name string) (V, bool) {
	parts := suffixes(name)
	for i := range parts {
		if v, ok := table[strings.Join(parts[i:], "")]; ok {
			return v, true
		}
	}
	v, ok := table[strings.ToLower(lastSuffix(name))]
	return v, ok
}

// file says what reads a file of that name; nil is nothing, and then the media
// type says what it was declared to be, or that it is any bytes.
func (r rules) file(name string) (adapter.Format, string) {
	if f, ok := find(r.files, name); ok {
		return f, ""
	}
	if mediaType, ok := find(r.unread, name); ok {
		return nil, mediaType
	}
	return nil, "application/octet-stream"
}

// folder says what reads a folder of that name as one item, or nil.
func (r rules) folder(name string) adapter.Format {
	f, _ := find(r.folders, name)
	return f
}

// unnamed is Tiled's name for a sequence of bare numbers.
const unnamed = "_unnamed"

// sequence says whether a file of that name is a member of a sequence: of
// which format, and the sequence's name. As in Tiled the suffix counts as it
// is written, and a single file that ends in a digit is a sequence too.
func (r rules) sequence(name string) (adapter.Format, string, bool) {
	ext := lastSuffix(name)
	f, ok := r.sequences[ext]
	if !ok {
		return nil, "", false
	}
	stem := strings.TrimSuffix(name, ext)
	base := strings.TrimRight(stem, "0123456789")
	if base == stem {
		return nil, "", false
	}
	if base == "" {
		base = unnamed
	}
	return f, base, true
}

// shown says whether an entry is served at all.
func (r rules) shown(name string, what kind) bool {
	if strings.HasPrefix(name, ".") {
		return false
	}
	if len(r.include) == 0 || what == aFolder && r.folder(name) == nil {
		return true
	}
	if what == aLink && lastSuffix(name) == "" {
		return true // it may lead to a folder, which takes a look to know
	}
	return slices.Contains(r.include, lastSuffix(name))
}

// natural compares names so that img2 comes before img10.
func natural(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		if digit(x[0]) && digit(y[0]) {
			n, m := number(x), number(y)
			if d := compareNumbers(x[:n], y[:m]); d != 0 {
				return d
			}
			x, y = x[n:], y[m:]
			continue
		}
		if x[0] != y[0] {
			return int(x[0]) - int(y[0])
		}
		x, y = x[1:], y[1:]
	}
	if d := len(x) - len(y); d != 0 {
		return d
	}
	return strings.Compare(a, b)
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// number is the length of the digits at the start.
func number(s string) int {
	n := 0
	for n < len(s) && digit(s[n]) {
		n++
	}
	return n
}

func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if d := len(a) - len(b); d != 0 {
		return d
	}
	return strings.Compare(a, b)
}
