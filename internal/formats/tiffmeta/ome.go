package tiffmeta

import (
	"encoding/xml"
	"slices"
	"strings"
)

// omeXML is what is read of OME-XML.
type omeXML struct {
	UUID   string `xml:"UUID,attr"`
	Images []struct {
		Pixels []omePixels `xml:"Pixels"`
	} `xml:"Image"`
}

type omePixels struct {
	Order    string `xml:"DimensionOrder,attr"`
	SizeX    int64  `xml:"SizeX,attr"`
	SizeY    int64  `xml:"SizeY,attr"`
	SizeZ    int64  `xml:"SizeZ,attr"`
	SizeC    int64  `xml:"SizeC,attr"`
	SizeT    int64  `xml:"SizeT,attr"`
	Channels []struct {
		Samples int64 `xml:"SamplesPerPixel,attr"`
	} `xml:"Channel"`
	Data []omeData `xml:"TiffData"`
}

type omeData struct {
	IFD        *int64 `xml:"IFD,attr"`
	FirstZ     int64  `xml:"FirstZ,attr"`
	FirstC     int64  `xml:"FirstC,attr"`
	FirstT     int64  `xml:"FirstT,attr"`
	NumPlanes  *int64 `xml:"NumPlanes,attr"`
	PlaneCount *int64 `xml:"PlaneCount,attr"`
	UUID       *struct {
		Text string `xml:",chardata"`
	} `xml:"UUID"`
}

// ome is the first image of OME-XML that has pages in this file, or nil: where
// the XML does not fit the file, or names other files.
func (f *File) ome(text string) *Series {
	var doc omeXML
	if xml.Unmarshal([]byte(text), &doc) != nil {
		return nil
	}
	for _, image := range doc.Images {
		for i := range image.Pixels {
			if s, ok := f.omeSeries(&image.Pixels[i], doc.UUID); s != nil || !ok {
				return s
			}
		}
	}
	return nil
}

// omeSeries is the series of one image; ok is false if the XML is no use.
func (f *File) omeSeries(p *omePixels, root string) (s *Series, ok bool) {
	sizes := map[byte]int64{'X': p.SizeX, 'Y': p.SizeY, 'Z': p.SizeZ, 'C': p.SizeC, 'T': p.SizeT}
	sorted := []byte(p.Order)
	slices.Sort(sorted)
	if string(sorted) != "CTXYZ" || p.Order[:2] != "XY" {
		return nil, false
	}
	samples := int64(1)
	for i, c := range p.Channels {
		n := max(c.Samples, 1)
		if i > 0 && n != samples {
			return nil, false
		}
		samples = n
	}
	sizes['C'] /= samples
	axes := string([]byte{p.Order[4], p.Order[3], p.Order[2]})
	shape := []int64{sizes[axes[0]], sizes[axes[1]], sizes[axes[2]]}
	n, fits := product(shape)
	if !fits || n < 1 || n > MaxPages {
		return nil, false
	}
	pages, ok := f.omePages(p, root, axes, shape, n)
	if !ok {
		return nil, false
	}
	s = &Series{Kind: "ome", Pages: pages}
	if !slices.ContainsFunc(pages, func(p *Page) bool { return p != nil }) {
		return nil, true // an image without data; the next may have some
	}
	l := s.Layout()
	pageShape, pageAxes := l.Shape()
	if l.Width != p.SizeX || l.Length != p.SizeY || l.Samples != samples {
		return nil, false
	}
	for _, page := range pages {
		if page != nil && !page.Layout.Like(l) {
			return nil, false
		}
	}
	s.Shape, s.Axes = squeeze(append(shape, pageShape...), axes+pageAxes)
	return s, true
}

// omePages finds the pages that TiffData elements place.
func (f *File) omePages(p *omePixels, root, axes string, shape []int64, n int64) ([]*Page, bool) {
	pages := make([]*Page, n)
	for _, d := range p.Data {
		if d.UUID != nil && root != "" && strings.TrimSpace(d.UUID.Text) != root {
			return nil, false // in another file
		}
		count, from := int64(0), int64(0)
		if d.IFD != nil {
			count, from = 1, *d.IFD
		}
		for _, said := range []*int64{d.NumPlanes, d.PlaneCount} {
			if said != nil {
				count = *said
			}
		}
		if count == 0 {
			count = int64(len(f.Pages))
		}
		first := map[byte]int64{'Z': d.FirstZ, 'C': d.FirstC, 'T': d.FirstT}
		at := int64(0)
		for i := range axes {
			if first[axes[i]] < 0 || first[axes[i]] >= shape[i] {
				at = n // outside: it counts for nothing
				break
			}
			at = at*shape[i] + first[axes[i]]
		}
		for i := int64(0); i < count && at+i < n && from >= 0 && from+i < int64(len(f.Pages)); i++ {
			pages[at+i] = f.Pages[from+i]
		}
	}
	return pages, true
}
