package tiffmeta

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// Series is pages that are one array.
type Series struct {
	// Kind is "shaped", "ome", "imagej" or "pages".
	Kind string
	// Shape and Axes of the whole: one letter for each axis, or "" where
	// nobody named them. The last axes are those of a page, but for a series
	// of kind "shaped", whose shape may be any of the same size.
	Shape []int64
	Axes  string
	// Pages are the pictures in order; nil for one that is missing, whose
	// samples are zero. If Run is set there is but one page and as many
	// pictures as Shape says, without gaps behind each other.
	Pages []*Page
	Run   bool
}

// Layout is that of all pages.
func (s *Series) Layout() *Layout {
	for _, p := range s.Pages {
		if p != nil {
			return &p.Layout
		}
	}
	return &Layout{}
}

// Series finds the array that a file is. What contradicts itself is taken for
// plain pages; a shape written down that does not fit is
// errdef.ErrUnprocessable.
func (f *File) Series() (*Series, error) {
	first := f.Pages[0]
	descriptions := []string{f.description(first, 0), f.description(first, 1)}
	for _, d := range descriptions {
		if shape, axes, ok := shapedDescription(d); ok {
			return f.shaped(shape, axes)
		}
	}
	if d := descriptions[0]; strings.HasSuffix(strings.TrimSpace(d), "OME>") {
		if s := f.ome(d); s != nil {
			return s, nil
		}
	}
	for _, d := range descriptions {
		if strings.HasPrefix(d, "ImageJ=") || strings.HasPrefix(d, "SCIFIO=") {
			if s := f.imagej(d); s != nil {
				return s, nil
			}
		}
	}
	return f.plainPages(), nil
}

// plainPages are all pages like the first.
func (f *File) plainPages() *Series {
	s := &Series{Kind: "pages"}
	for _, p := range f.Pages {
		if p.Layout == f.Pages[0].Layout {
			s.Pages = append(s.Pages, p)
		}
	}
	shape, axes := f.Pages[0].Layout.Shape()
	s.Shape, s.Axes = squeeze(append([]int64{int64(len(s.Pages))}, shape...), "I"+axes)
	return s
}

// squeeze leaves out axes of extent 1 that are not X or Y.
func squeeze(shape []int64, axes string) ([]int64, string) {
	var kept []int64
	var letters strings.Builder
	for i, n := range shape {
		if n > 1 || axes[i] == 'X' || axes[i] == 'Y' {
			kept = append(kept, n)
			letters.WriteByte(axes[i])
		}
	}
	return kept, letters.String()
}

// shapedDescription reads the shape that tifffile writes into descriptions, and
// its axes, if they are there.
func shapedDescription(d string) (shape []int64, axes string, ok bool) {
	if list, old := strings.CutPrefix(d, "shape=("); old {
		list, _, ok = strings.Cut(list, ")")
		for word := range strings.SplitSeq(list, ",") {
			if word = strings.TrimSpace(word); word == "" {
				continue
			}
			n, err := strconv.ParseInt(word, 10, 64)
			if err != nil {
				return nil, "", false
			}
			shape = append(shape, n)
		}
		return shape, "", ok
	}
	if !strings.HasPrefix(d, "{") || !strings.Contains(d, `"shape":`) || strings.Contains(d, `"mibi.`) {
		return nil, "", false
	}
	var doc struct {
		Shape []int64 `json:"shape"`
		Axes  any     `json:"axes"`
	}
	if json.Unmarshal([]byte(d), &doc) != nil || doc.Shape == nil {
		return nil, "", false
	}
	axes, _ = doc.Axes.(string)
	if len(axes) != len(doc.Shape) {
		axes = ""
	}
	return doc.Shape, axes, true
}

// shaped is a series of a shape that is written down: in as many pages as it
// takes, or in one run behind the first.
func (f *File) shaped(shape []int64, axes string) (*Series, error) {
	first := f.Pages[0]
	page, _ := first.Layout.Shape()
	one, _ := product(page)
	all, ok := product(shape)
	if !ok || len(shape) == 0 || all%one != 0 || all == 0 {
		return nil, fmt.Errorf("the shape %v that is written down does not fit pages of %v: %w", shape, page, errdef.ErrUnprocessable)
	}
	s := &Series{Kind: "shaped", Shape: shape, Axes: axes}
	n := all / one
	if n <= int64(len(f.Pages)) {
		s.Pages = f.Pages[:n]
		for _, p := range s.Pages {
			if !p.Layout.Like(&first.Layout) {
				return nil, fmt.Errorf("the page at %d differs from the first, of which %d are said to be alike: %w", p.Offset, n, errdef.ErrUnprocessable)
			}
		}
		return s, nil
	}
	if !f.hasRun(first, n) {
		return nil, fmt.Errorf("has %d pages of %v, and the shape %v is written down: %w", len(f.Pages), page, shape, errdef.ErrUnprocessable)
	}
	s.Pages, s.Run = f.Pages[:1], true
	return s, nil
}

// hasRun says whether n pictures lie behind each other without gaps.
func (f *File) hasRun(p *Page, n int64) bool {
	at, ok := f.Contiguous(p)
	if !ok {
		return false
	}
	shape, _ := p.Layout.Shape()
	size, ok := product(append(shape, p.Layout.Bits/8))
	return ok && n <= (f.r.Size()-at)/size
}

// product is that of all extents, if it is a number.
func product(shape []int64) (int64, bool) {
	all := int64(1)
	for _, n := range shape {
		if n < 0 || n > 0 && all > (1<<62)/n {
			return 0, false
		}
		all *= n
	}
	return all, true
}

// imagej is the series that ImageJ describes, or nil.
func (f *File) imagej(d string) *Series {
	get := func(key string) int64 {
		for line := range strings.Lines(d) {
			if k, v, _ := strings.Cut(strings.TrimSpace(line), "="); k == key {
				if n, err := strconv.ParseInt(v, 10, 32); err == nil {
					return n
				}
				return -1
			}
		}
		return 1
	}
	frames, slicesN, channels, images := get("frames"), get("slices"), get("channels"), get("images")
	first := f.Pages[0]
	l := &first.Layout
	planes := frames * slicesN
	if frames < 1 || slicesN < 1 || channels < 1 || images < 1 || frames > MaxPages || slicesN > MaxPages || planes > MaxPages {
		return nil
	}
	pageShape, pageAxes := l.Shape()
	switch {
	case l.Separate && l.Samples == channels:
		channels = 1 // the samples of a page are the channels
		pageAxes = "CYX"
	case images == planes && !l.Separate && l.Samples == channels:
		channels = 1
	}
	n := planes * channels
	if n > MaxPages {
		return nil
	}
	if n == 1 && len(f.Pages) > 1 {
		n = int64(len(f.Pages))
	}
	axes, shape := imagejOrder(orderOf(d), frames, slicesN, channels)
	if rest := n / (planes * channels); rest > 1 {
		axes, shape = "I"+axes, append([]int64{rest}, shape...)
	}
	s := &Series{Kind: "imagej"}
	s.Shape, s.Axes = squeeze(append(shape, pageShape...), axes+pageAxes)
	return f.collect(s, n)
}

// collect finds the n pages of a series, or the run that they are, or nil.
func (f *File) collect(s *Series, n int64) *Series {
	first := f.Pages[0]
	if len(f.Pages) == 1 && n > 1 {
		if !f.hasRun(first, n) {
			return nil
		}
		s.Pages, s.Run = f.Pages, true
		return s
	}
	if n > int64(len(f.Pages)) {
		return nil
	}
	s.Pages = f.Pages[:n]
	for _, p := range s.Pages {
		if !p.Layout.Like(&first.Layout) {
			return nil
		}
	}
	return s
}

func orderOf(d string) string {
	for line := range strings.Lines(d) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "order="); ok {
			return strings.ToLower(v)
		}
	}
	return "czt"
}

// imagejOrder are the axes for an order of dimensions, the fastest first in
// its name.
func imagejOrder(order string, frames, slicesN, channels int64) (string, []int64) {
	sizes := map[byte]int64{'T': frames, 'Z': slicesN, 'C': channels}
	axes := "TZC"
	if sorted := []byte(order); len(order) == 3 {
		slices.Sort(sorted)
		if string(sorted) == "ctz" {
			turned := []byte(strings.ToUpper(order))
			slices.Reverse(turned)
			axes = string(turned)
		}
	}
	return axes, []int64{sizes[axes[0]], sizes[axes[1]], sizes[axes[2]]}
}
