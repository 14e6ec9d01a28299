// Package csvfile reads tables of text as pandas.read_csv does by default: the
// first line names the columns, their types are found in the whole file, and
// what is missing is null.
//
// # What a file says
//
// A column is int64, uint64, float64, bool or text, whichever comes first and
// fits all of its values; integers with missing values are floats; dates stay
// text. Where pandas decides by the value that it meets first (numbers beyond
// 64 bits), so does this package. Lines with fewer fields than the first are
// filled up with missing values, lines with more are an error with the line's
// number. A first line of data with more fields than there are names means, as
// in pandas, that the leading ones are an index.
//
// Fields are divided by commas, in .tsv files by tabs. The encoding is that of
// the byte order mark (UTF-8, UTF-16); without one it is UTF-8 if all of the
// file is valid UTF-8, else Latin-1.
//
// # One pass
//
// Describing reads the file once, several cells of it at a time, and notes down
// where it can be cut: a partition is what begins within 8 MiB of text. Reading
// takes its partition's text, and parses the columns that are wanted. A file
// that only grew goes on from its last partition (see [Format.Resume]).
package csvfile

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// Format is the CSV format. Its zero value is ready.
type Format struct {
	cell int64 // cellSize if zero
}

var _ adapter.Resumer = Format{}

// Kind says which files are CSV files.
func (Format) Kind() adapter.Kind {
	return adapter.Kind{
		Name: "csv", MediaType: "text/csv", Extensions: []string{".csv", ".tsv"}, Reads: "Terrazzo's own, pure Go",
	}
}

// Describe reads the whole file, once, and ends early when ctx is done. Its
// memory is bounded by some cells of text, whatever the file's size. A file
// that pandas does not read either, of more than 65,536 columns, or with a
// record of more than 16 MiB is errdef.ErrUnprocessable.
func (f Format) Describe(ctx context.Context, src adapter.Source, inside []string) (*adapter.Description, error) {
	return f.describe(ctx, src, inside, nil)
}

// Resume is like Describe of a file that previous describes as it was. If the
// file only grew, as far as its inode, its names and the first 4 KiB of each
// partition tell, it is read from the last partition on; else it is described
// anew. What a file that was also changed in between may yield are errors, and
// never values that it does not hold: reading checks rows and types.
func (f Format) Resume(ctx context.Context, src adapter.Source, inside []string, previous *adapter.Description) (*adapter.Description, error) {
	return f.describe(ctx, src, inside, previous)
}

func (f Format) describe(ctx context.Context, src adapter.Source, inside []string, previous *adapter.Description) (*adapter.Description, error) {
	name := src.Names()[0]
	if len(inside) > 0 {
		return nil, fmt.Errorf("csv %s: has no member %.40q: %w", name, inside[0], errdef.ErrNotFound)
	}
	file, err := src.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	doc, err := openDocument(file, name, file.Size())
	if err != nil {
		return nil, err
	}
	h, err := doc.readHead(ctx, comma(name))
	if err != nil {
		return nil, err
	}
	l, from, err := doc.start(ctx, h, grown(ctx, src, name, previous))
	if err != nil {
		return nil, err
	}
	p := &pass{doc: doc, comma: comma(name), head: h, cell: f.cell}
	if p.cell == 0 {
		p.cell = cellSize
	}
	if err := p.run(ctx, from, l.add); err != nil {
		return nil, err
	}
	l.finish()
	return l.description(h)
}

func comma(name string) byte {
	if strings.EqualFold(path.Ext(name), ".tsv") {
		return '\t'
	}
	return ','
}

// start returns what is known before a pass, and where it begins: from old if
// the file begins with all that was read then.
func (d *document) start(ctx context.Context, h *head, old *notes) (*learnt, int64, error) {
	if old != nil {
		same, err := d.continues(ctx, h, old)
		if err != nil {
			return nil, 0, err
		}
		if same {
			l := old.resumed()
			l.Size, l.Encoding = d.size, d.enc
			return l, old.Starts[len(old.Starts)-1], nil
		}
	}
	return &learnt{notes: notes{
		Encoding: d.enc, Size: d.size, Width: h.width, Index: h.index(), Data: h.data, Valid: h.valid(),
		Head: sampleOf(h.text), Starts: []int64{}, Rows: []int64{}, Samples: []uint64{}, Sums: [][]int64{},
	}}, h.data, nil
}

// continues says whether the file still begins with what old was made of.
func (d *document) continues(ctx context.Context, h *head, old *notes) (bool, error) {
	enc := old.Encoding
	if enc == encLatin1 {
		enc = encUTF8
	}
	if len(old.Starts) < 2 || d.size < old.Size || d.enc != enc || h.width != old.Width || h.index() != old.Index ||
		h.data != old.Data || sampleOf(h.text) != old.Head {
		return false, nil
	}
	for i, from := range old.Starts {
		to := old.Size
		if i+1 < len(old.Starts) {
			to = old.Starts[i+1]
		}
		text, err := d.load(ctx, from, min(to, from+sampleSize+4))
		if err != nil {
			return false, err
		}
		if sampleOf(text[:d.index(text, sampleSize)]) != old.Samples[i] {
			return false, nil
		}
	}
	return true, nil
}

// grown returns the notes of a description of the same file, by its inode.
func grown(ctx context.Context, src adapter.Source, name string, previous *adapter.Description) *notes {
	if previous == nil {
		return nil
	}
	now, err := src.Stat(ctx, name)
	if err != nil {
		return nil
	}
	for _, f := range previous.Files {
		if f.Name == name && f.Stamp.Inode == now.Inode && !f.Stamp.Absent {
			if n, err := parseNotes(previous.Notes); err == nil {
				return n
			}
		}
	}
	return nil
}

func (l *learnt) description(h *head) (*adapter.Description, error) {
	kinds := make([]kind, l.Width)
	for i := range kinds {
		kinds[i] = kind(l.Kinds[i])
	}
	text, err := l.marshal()
	if err != nil {
		return nil, err
	}
	partitions := l.partitions()
	return &adapter.Description{
		Family: structure.FamilyTable,
		Table: &structure.Table{
			Schema: h.schema(kinds, l.Encoding == encLatin1), NPartitions: len(partitions),
		},
		Partitions: partitions,
		Metadata:   map[string]any{},
		MediaType:  Format{}.Kind().MediaType,
		Notes:      text,
	}, nil
}
