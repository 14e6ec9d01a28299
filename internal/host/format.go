package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// format is a format of the hosts, seen from the server.
type format struct {
	pool *Pool
	kind adapter.Kind
}

// Kind implements [adapter.Format].
func (f format) Kind() adapter.Kind { return f.kind }

// notes are what the server needs to read, beside the host's own token.
type notes struct {
	// Files are the names of all files, by their ids. The first Items make
	// the item.
	Files []string `json:"files"`
	Items int      `json:"items"`
	Links []Link   `json:"links,omitempty"`
	Token []byte   `json:"token,omitempty"`
	// Extents are the array's bytes, if they lie in files as they are.
	Extents []Extent `json:"extents,omitempty"`
	// Parts are files of which only a part of the array needs each.
	Parts []notedPart `json:"parts,omitempty"`
	// Fingerprints says that blocks have them.
	Fingerprints bool `json:"fingerprints,omitempty"`
}

type notedPart struct {
	File  int     `json:"f"`
	Start []int64 `json:"a"`
	Stop  []int64 `json:"b"`
}

const (
	// maxRounds bounds how often a host may ask for more files, maxFiles how
	// many it may ask for, of one item.
	maxRounds = 256
	maxFiles  = 200_000
)

// asking is the table of files that grows while a host describes.
type asking struct {
	src   adapter.Locator
	files []File
	ids   map[string]int
	links []Link
	fresh time.Duration
	live  bool
}

func ask(ctx context.Context, src adapter.Source, within time.Duration) (*asking, error) {
	locator, ok := src.(adapter.Locator)
	if !ok {
		return nil, fmt.Errorf("%s: files are not located here: %w", src.Names()[0], errdef.ErrUnsupported)
	}
	a := &asking{src: locator, ids: make(map[string]int), fresh: within}
	for _, name := range src.Names() {
		place, err := locator.Locate(ctx, "", name)
		if err != nil {
			return nil, err
		}
		if place.Stamp.Absent {
			return nil, fmt.Errorf("%s: %w", name, errdef.ErrNotFound)
		}
		a.add(place)
	}
	return a, nil
}

func (a *asking) add(p adapter.Place) int {
	if id, ok := a.ids[p.Name]; ok {
		return id
	}
	id := len(a.files)
	a.ids[p.Name] = id
	f := fileOf(id, p)
	f.Grows = !f.Absent // whether it did is looked at afterwards
	a.files = append(a.files, f)
	a.live = a.live || fresh(p.Stamp, a.fresh)
	return id
}

// fresh says whether a file was changed within that time.
func fresh(s adapter.Stamp, within time.Duration) bool {
	age := time.Since(time.Unix(0, max(s.Mtime, s.Ctime)))
	return !s.Absent && age < within && age > -within
}

// learn finds the files that a host says it needs.
func (a *asking) learn(ctx context.Context, needs []Need) error {
	for _, n := range needs {
		if n.From < 0 || n.From >= len(a.files) {
			return fmt.Errorf("host protocol: a need of file %d, which is not in the table: %w", n.From, errdef.ErrUnprocessable)
		}
		if len(a.links) >= maxFiles {
			return fmt.Errorf("%s: names more than %d files: %w", a.files[0].Name, maxFiles, errdef.ErrTooLarge)
		}
		l := Link{From: n.From, Target: n.Target}
		place, err := a.src.Locate(ctx, string(a.files[n.From].Name), string(n.Target))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errdef.ErrChanged):
			return err
		case err != nil:
			l.Error, l.Message, l.File = codeOf(err), err.Error(), -1
		default:
			l.File = a.add(place)
		}
		a.links = append(a.links, l)
	}
	return nil
}

// Describe implements [adapter.Format]. Every file that the host names, those
// that are not there included, becomes a dependency.
func (f format) Describe(ctx context.Context, src adapter.Source, inside []string) (*adapter.Description, error) {
	a, err := ask(ctx, src, f.pool.opts.Fresh)
	if err != nil {
		return nil, err
	}
	r := &Request{Op: opDescribe, Format: f.kind.Name, Items: len(a.files), Inside: bytesOf(inside)}
	items := len(a.files)
	for range maxRounds {
		r.Files, r.Links = a.files, a.links
		reply, body, err := f.pool.do(ctx, job{
			path: string(a.files[0].Path), name: string(a.files[0].Name), live: a.live, request: r, place: upTo(maxDescription),
		})
		if err != nil {
			return nil, err
		}
		if len(reply.Need) == 0 {
			d, count, err := a.described(body, items)
			if err == nil {
				err = f.children(ctx, a, r, d, count)
			}
			return d, errors.Join(err, a.again(ctx))
		}
		if err := a.learn(ctx, reply.Need); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s: names files that name files, more than %d deep: %w", a.files[0].Name, maxRounds, errdef.ErrUnprocessable)
}

// again looks at all files once more, so that the source sees which have
// changed meanwhile.
func (a *asking) again(ctx context.Context) error {
	for _, f := range a.files {
		if _, err := a.src.Locate(ctx, "", string(f.Name)); err != nil {
			return err
		}
	}
	return nil
}

func bytesOf(texts []string) [][]byte {
	out := make([][]byte, len(texts))
	for i, t := range texts {
		out[i] = []byte(t)
	}
	return out
}

// described makes a description of what the host said, and tells how many members
// there are.
func (a *asking) described(body []byte, items int) (d *adapter.Description, members int, err error) {
	t, err := parseTold(body)
	if err != nil {
		return nil, 0, err
	}
	n := notes{Items: items, Links: a.links, Token: t.token, Extents: t.extents, Fingerprints: t.prints, Files: make([]string, len(a.files))}
	for i, f := range a.files {
		n.Files[i] = string(f.Name)
	}
	for _, p := range t.parts {
		n.Parts = append(n.Parts, notedPart(p))
	}
	if err := n.check(t.d); err != nil {
		return nil, 0, err
	}
	if t.d.Family != structure.FamilyContainer {
		if t.d.Notes, err = json.Marshal(n); err != nil {
			return nil, 0, fmt.Errorf("%s: notes: %w", n.Files[0], err)
		}
	}
	return t.d, t.count, nil
}

// check says what of the notes cannot be.
func (n *notes) check(d *adapter.Description) error {
	bad := func(what string) error {
		return fmt.Errorf("host protocol: %s: %w", what, errdef.ErrUnprocessable)
	}
	if n.Items < 1 || n.Items > len(n.Files) {
		return bad("an item of no files")
	}
	for _, p := range n.Parts {
		if p.File < 0 || p.File >= len(n.Files) || len(p.Start) != len(d.Grid.Shape) || len(p.Stop) != len(p.Start) {
			return bad("a part of a file that is not in the table, or of other axes")
		}
	}
	if len(n.Extents) == 0 {
		return nil
	}
	if d.Array == nil {
		return bad("extents of what is no array")
	}
	total := int64(0)
	for _, e := range n.Extents {
		if e.File < -1 || e.File >= len(n.Files) || e.Offset < 0 || e.Length < 0 || e.Offset > 1<<62-e.Length || total > 1<<62-e.Length {
			return bad("an extent that cannot be")
		}
		total += e.Length
	}
	if size := ndslice.All(d.Grid.Shape).Len(); d.Array.DataType.ItemSize > 0 && total/d.Array.DataType.ItemSize != size {
		return bad("extents of another length than the array")
	}
	return nil
}

// Open implements [adapter.Format].
func (f format) Open(src adapter.Source, inside []string, d *adapter.Description) (any, error) {
	if d.Family != structure.FamilyArray && d.Family != structure.FamilyTable {
		return nil, nil //nolint:nilnil // a container has no reader
	}
	live, err := d.Live(func() (any, error) {
		n := &notes{}
		if err := json.Unmarshal(d.Notes, n); err != nil {
			return nil, fmt.Errorf("%s: the description's notes do not parse: %w", src.Names()[0], errdef.ErrUnprocessable)
		}
		return n, n.check(d)
	})
	if err != nil {
		return nil, err
	}
	n, ok := live.(*notes)
	if !ok {
		return nil, fmt.Errorf("%s: the description is another format's: %w", src.Names()[0], errdef.ErrInvalid)
	}
	r := reader{format: f, src: src, inside: inside, d: d, notes: n}
	if d.Family == structure.FamilyTable {
		return &tableReader{r}, nil
	}
	return &arrayReader{r}, nil
}

// reader reads through the pool what was described before.
type reader struct {
	format format
	src    adapter.Source
	inside []string
	d      *adapter.Description
	notes  *notes
}

// touched are the ids of the files that the selection needs, in order; nil for
// a table means all.
func (r *reader) touched(sel ndslice.Selection) []int {
	wanted := make([]bool, len(r.notes.Files))
	for i := range wanted {
		wanted[i] = true
	}
	for _, p := range r.notes.Parts {
		wanted[p.File] = p.File < r.notes.Items
	}
	for _, p := range r.notes.Parts {
		wanted[p.File] = wanted[p.File] || adapter.Part{Start: p.Start, Stop: p.Stop}.Meets(sel)
	}
	ids := make([]int, 0, 4)
	for id, yes := range wanted {
		if yes {
			ids = append(ids, id)
		}
	}
	return ids
}

// names yields those of the files.
func (r *reader) names(ids []int) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, id := range ids {
			if !yield(r.notes.Files[id]) {
				return
			}
		}
	}
}

// send asks the host, having looked at the files before, and looks after.
func (r *reader) send(ctx context.Context, ids []int, request *Request, place func(uint64) ([]byte, error)) (Reply, []byte, error) {
	locator, ok := r.src.(adapter.Locator)
	if !ok {
		return Reply{}, nil, fmt.Errorf("%s: files are not located here: %w", r.notes.Files[0], errdef.ErrUnsupported)
	}
	request.Format, request.Inside, request.Items = r.format.kind.Name, bytesOf(r.inside), r.notes.Items
	in := make(map[int]bool, len(ids))
	live := false
	for _, id := range ids {
		p, err := locator.Locate(ctx, "", r.notes.Files[id])
		if err != nil {
			return Reply{}, nil, err
		}
		f := fileOf(id, p)
		f.Grows = r.d.AppendOnly
		request.Files = append(request.Files, f)
		in[id], live = true, live || fresh(p.Stamp, r.format.pool.opts.Fresh)
	}
	if request.Files[0].Absent {
		return Reply{}, nil, fmt.Errorf("%s: %w", r.notes.Files[0], errdef.ErrNotFound)
	}
	for _, l := range r.notes.Links {
		if in[l.From] && (l.Error != "" || in[l.File]) {
			request.Links = append(request.Links, l)
		}
	}
	reply, body, err := r.format.pool.do(ctx, job{
		path: string(request.Files[0].Path), name: r.notes.Files[0], live: live, request: request, token: r.notes.Token, place: place,
	})
	if err != nil {
		return Reply{}, nil, err
	}
	if len(reply.Need) > 0 {
		return Reply{}, nil, fmt.Errorf("%s: names the file %.200q, which describing did not find: %w", r.notes.Files[0], reply.Need[0].Target, errdef.ErrUnsupported)
	}
	for _, id := range ids {
		if _, err := locator.Locate(ctx, "", r.notes.Files[id]); err != nil {
			return Reply{}, nil, err
		}
	}
	return reply, body, nil
}

// arrayReader implements [adapter.ArrayReader].
type arrayReader struct{ reader }

var _ adapter.Fingerprinter = (*arrayReader)(nil)

// Fingerprint implements [adapter.Fingerprinter], if the host does.
func (r *arrayReader) Fingerprint(ctx context.Context, block []int64) (id adapter.ID, err error) {
	if !r.notes.Fingerprints {
		return id, nil
	}
	request := &Request{Op: opFingerprint, Block: block, Budget: int64(len(id))}
	reply, body, err := r.send(ctx, r.touched(r.d.Grid.Of(block)), request, exactly(int64(len(id))))
	if err == nil && reply.Kind != kindFingerprint {
		err = fmt.Errorf("host protocol: a fingerprint of kind %q: %w", reply.Kind, errdef.ErrUnprocessable)
	}
	copy(id[:], body)
	return id, err
}

// Touches implements [adapter.ArrayReader].
func (r *arrayReader) Touches(sel ndslice.Selection) iter.Seq[string] {
	if len(r.notes.Extents) > 0 {
		if ids, ok := r.extended(sel); ok {
			return r.names(ids)
		}
	}
	return r.names(r.touched(sel))
}

// ReadBlock implements [adapter.ArrayReader].
func (r *arrayReader) ReadBlock(ctx context.Context, block []int64) (adapter.Block, error) {
	shape := r.d.Grid.BlockShape(block)
	sel := r.d.Grid.Of(block)
	item := r.d.Array.DataType.ItemSize
	size := sel.Len()
	if item > 0 && size > maxBlock/item {
		return adapter.Block{}, fmt.Errorf("%s: block %v is larger than %d bytes: %w", r.notes.Files[0], block, int64(maxBlock), errdef.ErrTooLarge)
	}
	size *= item
	if from, ok := r.run(sel); ok {
		data := make([]byte, size)
		if err := r.readExtents(ctx, data, from*item); err != nil {
			return adapter.Block{}, err
		}
		return adapter.Block{Data: data, Shape: shape}, nil
	}
	request := &Request{Op: opReadBlock, Block: block, Budget: size}
	reply, body, err := r.send(ctx, r.touched(sel), request, exactly(size))
	if err != nil {
		return adapter.Block{}, err
	}
	switch reply.Kind {
	case kindArray:
	case kindExtents:
		body = make([]byte, size)
		if err := r.readFrom(ctx, body, reply.Extents, 0); err != nil {
			return adapter.Block{}, err
		}
	default:
		return adapter.Block{}, fmt.Errorf("host protocol: a block of kind %q: %w", reply.Kind, errdef.ErrUnprocessable)
	}
	if int64(len(body)) != size {
		return adapter.Block{}, fmt.Errorf("host protocol: a block of %d bytes, expected %d: %w", len(body), size, errdef.ErrUnprocessable)
	}
	return adapter.Block{Data: body, Shape: shape, Cost: reply.Cost.adapter()}, nil
}

// maxBlock bounds one block, whatever a file says.
const maxBlock = 4 << 30

// exactly places a body of size bytes and no other.
func exactly(size int64) func(uint64) ([]byte, error) {
	return func(n uint64) ([]byte, error) {
		if n != uint64(size) {
			return nil, fmt.Errorf("host protocol: a block of %d bytes, expected %d: %w", n, size, errdef.ErrUnprocessable)
		}
		return make([]byte, n), nil
	}
}

// tableReader implements [adapter.TableReader].
type tableReader struct{ reader }

// Touches implements [adapter.TableReader].
func (r *tableReader) Touches(int) iter.Seq[string] { return r.names(r.touched(nil)) }

// ReadColumns implements [adapter.TableReader].
func (r *tableReader) ReadColumns(ctx context.Context, partition int, columns []int) (adapter.Columns, error) {
	if len(columns) == 0 {
		return adapter.Columns{Rows: r.d.Partitions[partition].Rows}, nil
	}
	request := &Request{Op: opReadColumn, Partition: partition, Columns: columns, Budget: maxBlock}
	reply, body, err := r.send(ctx, r.touched(nil), request, upTo(maxBlock))
	if err != nil {
		return adapter.Columns{}, err
	}
	if reply.Kind != kindArrow {
		return adapter.Columns{}, fmt.Errorf("host protocol: columns of kind %q: %w", reply.Kind, errdef.ErrUnprocessable)
	}
	c, err := parseColumns(body, reply.Rows, len(columns))
	c.Cost = reply.Cost.adapter()
	return c, err
}
