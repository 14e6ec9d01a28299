package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

// ServeOptions say what a host offers.
type ServeOptions struct {
	// Program is its name and version.
	Program string
	Formats []adapter.Format
	// Log gets faults of formats. Nil means nobody.
	Log *slog.Logger
}

// Serve answers on the listener until ctx is done, or the listener fails. It
// puts any format behind the protocol, one that is an [adapter.Mapped] or
// [adapter.Parted] with what it can say more. Connections are served side by
// side, requests on one after each other; one that is closed cancels the
// context of its request.
func Serve(ctx context.Context, l net.Listener, opts ServeOptions) error {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s := &server{opts: opts, formats: make(map[string]adapter.Format)}
	greeting := Greeting{Protocol: Version, Program: opts.Program}
	for _, f := range opts.Formats {
		k := f.Kind()
		s.formats[k.Name] = f
		greeting.Formats = append(greeting.Formats, FormatInfo{Name: k.Name, Reads: k.Reads})
	}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var all sync.WaitGroup
	defer all.Wait()
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("host: %w", err)
		}
		all.Go(func() { s.converse(ctx, c, greeting) })
	}
}

// Inherited is the listener that a [Pool] gives to the hosts it starts.
func Inherited() (net.Listener, error) {
	f := os.NewFile(3, "listener")
	if f == nil {
		return nil, fmt.Errorf("host: no descriptor 3: hosts are started by terrazzo: %w", errdef.ErrInvalid)
	}
	defer f.Close() //nolint:errcheck // the listener has a descriptor of its own
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("host: descriptor 3 is no listening socket; hosts are started by terrazzo: %w: %w", err, errdef.ErrInvalid)
	}
	return l, nil
}

type server struct {
	opts    ServeOptions
	formats map[string]adapter.Format
}

// asked is one request with its body.
type asked struct {
	request Request
	token   []byte
}

// converse serves one connection. Reading goes on while a request runs, so
// that the other side's going away is seen.
func (s *server) converse(ctx context.Context, c net.Conn, greeting Greeting) {
	ctx, gone := context.WithCancel(ctx)
	requests := make(chan asked)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer c.Close() //nolint:errcheck // nobody is left to be told
	defer gone()
	if writeFrame(c, greeting, nil) != nil {
		return
	}
	reading.Go(func() {
		defer gone()
		for {
			var a asked
			var err error
			if a.token, err = readFrame(c, &a.request, upTo(maxToken)); err != nil {
				return
			}
			select {
			case requests <- a:
			case <-ctx.Done():
				return
			}
		}
	})
	for {
		select {
		case a := <-requests:
			reply, body := s.answer(ctx, a)
			if writeFrame(c, reply, body) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// answer runs one request.
func (s *server) answer(ctx context.Context, a asked) (reply Reply, body []byte) {
	if a.request.DeadlineMS > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(a.request.DeadlineMS)*time.Millisecond)
		defer cancel()
	}
	t, err := newTable(&a.request)
	if err != nil {
		return failed(err), nil
	}
	start := time.Now()
	err = s.shielded(&a.request, func() (err error) {
		reply, body, err = s.run(ctx, a, t)
		return err
	})
	if needs := t.lacks(); len(needs) > 0 && (err == nil || errors.Is(err, errNeeded)) {
		return Reply{Need: needs}, nil
	}
	if err == nil && a.request.Budget > 0 && int64(len(body)) > a.request.Budget && reply.Kind != kindDescription {
		err = fmt.Errorf("an answer of %d bytes, %d may be sent: %w", len(body), a.request.Budget, errdef.ErrTooLarge)
	}
	if err != nil {
		return failed(err), nil
	}
	if reply.Cost == (Cost{}) {
		reply.Cost = costOf(t.cost(time.Since(start)))
	}
	reply.OK, reply.Seen = true, t.opened()
	return reply, body
}

func failed(err error) Reply {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return Reply{Error: "unavailable", Message: "the time was not enough"}
	}
	return Reply{Error: codeOf(err), Message: err.Error()}
}

// shielded turns a panic in a format into an error about the one file.
func (s *server) shielded(r *Request, run func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.opts.Log.LogAttrs(context.Background(), slog.LevelError, "a format failed on a file",
				slog.String("format", r.Format), slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("the %s reader failed on this file: %w", r.Format, errdef.ErrUnprocessable)
		}
	}()
	return run()
}

func (s *server) run(ctx context.Context, a asked, t *table) (Reply, []byte, error) {
	r := &a.request
	if r.Op == opPing {
		return Reply{}, nil, nil
	}
	f, ok := s.formats[r.Format]
	if !ok {
		return Reply{}, nil, fmt.Errorf("this host does not read the format %q: %w", r.Format, errdef.ErrUnsupported)
	}
	inside := make([]string, len(r.Inside))
	for i, each := range r.Inside {
		inside[i] = string(each)
	}
	switch r.Op {
	case opDescribe:
		return describe(ctx, f, t, inside)
	case opChildren:
		return children(ctx, f, t, r, inside)
	}
	d, err := parseToken(a.token)
	if err != nil {
		return Reply{}, nil, err
	}
	opened, err := f.Open(t, inside, d)
	if err != nil {
		return Reply{}, nil, err
	}
	switch reader := opened.(type) {
	case adapter.ArrayReader:
		return readArray(ctx, r, reader, d)
	case adapter.TableReader:
		return readTable(ctx, r, reader, d)
	}
	return Reply{}, nil, fmt.Errorf("%s: a container has no data: %w", r.Op, errdef.ErrNotAllowed)
}

// token is what a read needs of the description.
type token struct {
	Family structure.Family `json:"family"`
	DType  structure.DType  `json:"dtype"`
	Shape  []int64          `json:"shape"`
	Block  []int64          `json:"block"`
	Schema []byte           `json:"schema,omitempty"`
	Rows   []int64          `json:"rows,omitempty"`
	Notes  []byte           `json:"notes,omitempty"`
}

func tokenOf(d *adapter.Description) ([]byte, error) {
	t := token{Family: d.Family, Shape: d.Grid.Shape, Block: d.Grid.Block, Notes: d.Notes}
	if d.Array != nil {
		t.DType = d.Array.DataType
	}
	if d.Table != nil {
		t.Schema = structure.SchemaMessage(d.Table.Schema)
		for _, p := range d.Partitions {
			t.Rows = append(t.Rows, p.Rows)
		}
	}
	return json.Marshal(t)
}

func parseToken(b []byte) (*adapter.Description, error) {
	var t token
	if err := json.Unmarshal(b, &t); err != nil {
		return nil, fmt.Errorf("host protocol: token: %w: %w", err, errdef.ErrInvalid)
	}
	d := &adapter.Description{Family: t.Family, Notes: t.Notes}
	switch t.Family {
	case structure.FamilyArray:
		d.Grid = ndslice.Grid{Shape: t.Shape, Block: t.Block}
		d.Array = &structure.Array{DataType: t.DType, Shape: t.Shape}
		return d, d.Grid.Validate()
	case structure.FamilyTable:
		schema, err := structure.ParseSchemaMessage(t.Schema)
		if err != nil {
			return nil, err
		}
		d.Table = &structure.Table{Schema: schema, NPartitions: len(t.Rows)}
		for _, n := range t.Rows {
			d.Partitions = append(d.Partitions, adapter.Partition{Rows: n})
		}
		return d, nil
	default:
		return nil, fmt.Errorf("host protocol: a token of the family %q: %w", t.Family, errdef.ErrInvalid)
	}
}

func describe(ctx context.Context, f adapter.Format, t *table, inside []string) (Reply, []byte, error) {
	d, err := f.Describe(ctx, t, inside)
	if err != nil || len(t.lacks()) > 0 {
		return Reply{}, nil, err
	}
	opened, err := f.Open(t, inside, d)
	if err != nil {
		return Reply{}, nil, err
	}
	all := told{d: d, count: len(d.Keys)}
	if d.Family == structure.FamilyArray || d.Family == structure.FamilyTable {
		if all.token, err = tokenOf(d); err != nil {
			return Reply{}, nil, err
		}
	}
	if m, ok := opened.(adapter.Mapped); ok {
		for _, e := range m.Extents() {
			all.extents = append(all.extents, t.extent(e))
		}
	}
	if p, ok := opened.(adapter.Parted); ok {
		for _, each := range p.Parts() {
			if file, ok := t.files[each.Name]; ok {
				all.parts = append(all.parts, part{File: file.ID, Start: each.Start, Stop: each.Stop})
			}
		}
	}
	_, all.prints = opened.(adapter.Fingerprinter)
	body, err := appendTold(all)
	return Reply{Kind: kindDescription}, body, err
}

func (t *table) extent(e adapter.Extent) Extent {
	id := -1
	if f, ok := t.files[e.Name]; ok {
		id = f.ID
	}
	return Extent{File: id, Offset: e.Offset, Length: e.Length}
}

func readArray(ctx context.Context, r *Request, reader adapter.ArrayReader, d *adapter.Description) (Reply, []byte, error) {
	switch r.Op {
	case opReadBlock:
		if !d.Grid.Contains(r.Block) {
			return Reply{}, nil, fmt.Errorf("has no block %v: %w", r.Block, errdef.ErrInvalid)
		}
		size := d.Grid.Of(r.Block).Len()
		if r.Budget > 0 && d.Array.DataType.ItemSize > 0 && size > r.Budget/d.Array.DataType.ItemSize {
			return Reply{}, nil, fmt.Errorf("block %v: %d bytes may be sent, and it has more: %w", r.Block, r.Budget, errdef.ErrTooLarge)
		}
		b, err := reader.ReadBlock(ctx, r.Block)
		return Reply{Kind: kindArray, Shape: b.Shape, Cost: costOf(b.Cost)}, b.Data, err
	case opFingerprint:
		return fingerprint(ctx, r, reader, d)
	}
	return Reply{}, nil, fmt.Errorf("%s: an array cannot do that: %w", r.Op, errdef.ErrNotAllowed)
}

// fingerprint answers with the 16 bytes that a block is known by, or with none.
func fingerprint(ctx context.Context, r *Request, reader adapter.ArrayReader, d *adapter.Description) (Reply, []byte, error) {
	printer, ok := reader.(adapter.Fingerprinter)
	if !ok || !d.Grid.Contains(r.Block) {
		return Reply{}, nil, fmt.Errorf("block %v has no fingerprint: %w", r.Block, errdef.ErrInvalid)
	}
	id, err := printer.Fingerprint(ctx, r.Block)
	if err != nil || id == (adapter.ID{}) {
		return Reply{Kind: kindFingerprint}, nil, err
	}
	return Reply{Kind: kindFingerprint}, id[:], nil
}
