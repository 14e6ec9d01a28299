package source

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// MemoryOptions say how much is remembered, and where. The zero value
// remembers 64 MiB, in memory alone.
type MemoryOptions struct {
	// StateDir is the folder in which descriptions are kept over restarts.
	// Empty, not writable, or used by another process means in memory alone.
	StateDir string
	// Salt names what descriptions depend on besides files: the program's
	// version. Those of another salt are forgotten.
	Salt string
	// Bytes bounds what is held in memory, DiskBytes (1 GiB) the file.
	Bytes, DiskBytes int64
	// Parallel is how many looks into files run at a time; 0 means twice the
	// cores, four at least.
	Parallel int
	// Wait is how long one who asks waits for a look into files before he is
	// told to come again (20 s).
	Wait time.Duration
	// Log gets faults of formats and of the state directory. Nil means nobody.
	Log *slog.Logger
	// Recorder is told of looks and recalls. Nil means nobody.
	Recorder Recorder
}

func (o MemoryOptions) settled() MemoryOptions {
	if o.Bytes <= 0 {
		o.Bytes = 64 << 20
	}
	if o.DiskBytes <= 0 {
		o.DiskBytes = 1 << 30
	}
	if o.Parallel <= 0 {
		o.Parallel = max(4, 2*runtime.GOMAXPROCS(0))
	}
	if o.Wait <= 0 {
		o.Wait = 20 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Recorder == nil {
		o.Recorder = nobody{}
	}
	return o
}

// Memory keeps what formats said of files, by the stamps of the files. A look
// into files happens once per version, whoever asks, and goes on when nobody
// waits for it any more. (That is why it is not a flight.Group, whose loads
// end with their last waiter.) It is safe for concurrent use.
type Memory struct {
	salt     string
	wait     time.Duration
	log      *slog.Logger
	recorder Recorder
	disk     *disk         // nil if there is none
	slots    chan struct{} // one for each look that runs

	life  context.Context //nolint:containedctx // that of the looks, which nobody's request outlives
	end   context.CancelFunc
	looks sync.WaitGroup
	ticks atomic.Int64 // orders questions and looks
	limit int64
	// fingerprints are those of blocks of files that change.
	fingerprints prints
	records      struct {
		sync.Mutex
		// INVARIANT: byKey holds each element of byUse, and bytes is their sum.
		byKey map[adapter.ID]*list.Element
		byUse *list.List // of *record, the one used last in front
		bytes int64
		jobs  map[adapter.ID]*job
		// Descriptions that a format may go on from, of files that were still
		// changing: they answer nobody, the format checks what they rest on.
		bases  map[adapter.ID]*adapter.Description
		closed bool
	}
}

// record is what a format said of a version of some files: a description, or
// an error. It is immutable once it is finished.
type record struct {
	key      adapter.ID
	d        *adapter.Description
	err      error
	files    []adapter.Dependency
	id       adapter.ID
	trusted  bool
	modified time.Time
	size     int64
	keys     func() map[string]struct{}

	plan    sync.Once
	planner any // the reader for those who only ask what it touches
	planErr error
}

// has says whether the description names a member.
func (r *record) has(key string) bool {
	_, ok := r.keys()[key]
	return ok
}

// finished fills in what follows from the rest.
func (r *record) finished(n *Node) *record {
	d := r.d
	if d == nil {
		d = &adapter.Description{Files: r.files}
	}
	r.id = n.identify(d)
	for _, f := range r.files {
		if at := f.Stamp.Modified(); !f.Stamp.Absent && at.After(r.modified) {
			r.modified = at
		}
	}
	r.keys = sync.OnceValue(func() map[string]struct{} {
		set := make(map[string]struct{}, len(d.Keys))
		for _, k := range d.Keys {
			set[k] = struct{}{}
		}
		return set
	})
	return r
}

// job is one look into files that runs.
type job struct {
	done    chan struct{}
	started int64 // tick
	// Set when done is closed.
	r   *record
	err error
}

// NewMemory makes a memory. The state directory failing is not an error: it is
// said once in the log, and the rest goes on in memory.
func NewMemory(opts MemoryOptions) *Memory {
	opts = opts.settled()
	m := &Memory{
		salt: opts.Salt, wait: opts.Wait, log: opts.Log, recorder: opts.Recorder, limit: opts.Bytes,
		slots: make(chan struct{}, opts.Parallel),
	}
	m.life, m.end = context.WithCancel(context.Background())
	m.records.byKey = make(map[adapter.ID]*list.Element)
	m.records.byUse = list.New()
	m.records.jobs = make(map[adapter.ID]*job)
	m.records.bases = make(map[adapter.ID]*adapter.Description)
	if opts.StateDir != "" {
		d, err := openDisk(opts)
		if err != nil {
			m.log.LogAttrs(context.Background(), slog.LevelWarn, "descriptions of files are kept in memory alone",
				slog.String("state", opts.StateDir), slog.Any("reason", err))
		}
		m.disk = d
	}
	return m
}

// Persistent says whether descriptions are kept over restarts.
func (m *Memory) Persistent() bool { return m.disk != nil && m.disk.works() }

// Close ends the looks that run, waits for them, and writes what is left to
// write. Who still asks is told errdef.ErrUnavailable.
func (m *Memory) Close() error {
	m.records.Lock()
	m.records.closed = true
	m.records.Unlock()
	m.end()
	m.looks.Wait()
	if m.disk != nil {
		return m.disk.close()
	}
	return nil
}

// describe answers from memory, or by a look into the files that began after
// it was called, or by one that began before and is still valid.
func (m *Memory) describe(ctx context.Context, n *Node) (*record, error) {
	asked := m.ticks.Add(1)
	var patience <-chan time.Time
	for {
		if r := m.recall(ctx, n); r != nil {
			return r, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		j, err := m.look(n)
		if err != nil {
			return nil, err
		}
		if patience == nil {
			timer := time.NewTimer(m.wait)
			defer timer.Stop()
			patience = timer.C
		}
		select {
		case <-j.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-patience:
			return nil, fmt.Errorf("%s: is still being looked into: %w", n.item.Path, errdef.ErrUnavailable)
		}
		// What began before the question may have read what is older. It
		// counts only if it was kept, and the files still have its stamps.
		if j.started > asked {
			return j.r, j.err
		}
	}
}

// recall returns what is remembered, if the files still have the same stamps.
func (m *Memory) recall(ctx context.Context, n *Node) *record {
	r, from := m.held(n.key), Recalls
	if r == nil && m.disk != nil {
		r, from = m.disk.get(n), RecallsDisk
	}
	if r == nil || !n.Current(ctx, r.files) {
		return nil
	}
	m.recorder.Count(from, 1)
	if from == RecallsDisk {
		m.hold(r)
	}
	return r
}

// Current says whether all files still have the stamps that they had when a
// description, whose files they are, was made.
func (n *Node) Current(ctx context.Context, files []adapter.Dependency) bool {
	if len(files) < manyFiles {
		l := looksOf(ctx)
		for _, f := range files {
			if stamp, err := n.stampNow(ctx, l, f.Name); err != nil || stamp != f.Stamp {
				l.end()
				return false
			}
		}
		return true
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Name
	}
	stamps, err := n.look(ctx, names)
	if err != nil {
		return false
	}
	for i, f := range files {
		if stamps[i] != f.Stamp {
			return false
		}
	}
	return true
}

func (m *Memory) held(key adapter.ID) *record {
	m.records.Lock()
	defer m.records.Unlock()
	e, ok := m.records.byKey[key]
	if !ok {
		return nil
	}
	m.records.byUse.MoveToFront(e)
	return e.Value.(*record) // the list holds nothing else
}

// hold keeps a record in memory, giving up those used longest ago.
func (m *Memory) hold(r *record) {
	m.records.Lock()
	defer m.records.Unlock()
	all := &m.records
	if e, ok := all.byKey[r.key]; ok {
		m.drop(e)
	}
	if r.size > m.limit {
		return
	}
	all.byKey[r.key] = all.byUse.PushFront(r)
	for all.bytes += r.size; all.bytes > m.limit; {
		m.drop(all.byUse.Back())
	}
}

// drop gives up one record. The caller holds the lock.
func (m *Memory) drop(e *list.Element) {
	r := m.records.byUse.Remove(e).(*record) // the list holds nothing else
	delete(m.records.byKey, r.key)
	m.records.bytes -= r.size
}

// look returns the look into the node's files that runs, starting one if there
// is none.
func (m *Memory) look(n *Node) (*job, error) {
	m.records.Lock()
	defer m.records.Unlock()
	if m.records.closed {
		return nil, fmt.Errorf("%s: the server is stopping: %w", n.item.Path, errdef.ErrUnavailable)
	}
	if j := m.records.jobs[n.key]; j != nil {
		return j, nil
	}
	j := &job{done: make(chan struct{}), started: m.ticks.Add(1)}
	m.records.jobs[n.key] = j
	m.looks.Go(func() {
		j.err = fmt.Errorf("%s: the look into it was given up: %w", n.item.Path, errdef.ErrUnavailable)
		defer func() {
			m.records.Lock()
			delete(m.records.jobs, n.key)
			m.records.Unlock()
			close(j.done)
		}()
		select {
		case m.slots <- struct{}{}:
			defer func() { <-m.slots }()
		case <-m.life.Done():
			return
		}
		j.r, j.err = m.run(n)
	})
	return j, nil
}

// maxLooks is how often a look is tried at files that change meanwhile.
const maxLooks = 3

func (m *Memory) run(n *Node) (*record, error) {
	for try := 1; ; try++ {
		r, err := n.inspect(m.life)
		if errors.Is(err, errdef.ErrChanged) && try < maxLooks {
			continue
		}
		if errors.Is(err, errdef.ErrChanged) {
			return nil, fmt.Errorf("%w: %w", err, errdef.ErrUnavailable)
		}
		if err != nil {
			if m.life.Err() != nil {
				err = fmt.Errorf("%s: the server is stopping: %w", n.item.Path, errdef.ErrUnavailable)
			}
			return nil, err
		}
		if r.trusted {
			m.records.Lock()
			delete(m.records.bases, n.key)
			m.records.Unlock()
			value := encode(r)
			r.size = 2*int64(len(value)) + 1024
			m.hold(r)
			if m.disk != nil {
				m.disk.put(r.key, value)
			}
		} else {
			m.fingerprints.change(n.key)
		}
		return r, nil
	}
}

// inspect has the format look into the files, once.
func (n *Node) inspect(ctx context.Context) (*record, error) {
	n.memory.recorder.Count(Describes, 1)
	s := newSession(n.wall, n.item, nil)
	var d *adapter.Description
	resumer, resumes := n.format.(adapter.Resumer)
	err := n.shielded(func() (err error) {
		if previous := n.memory.previous(n); previous != nil {
			d, err = resumer.Resume(ctx, s, n.inside, previous)
		} else {
			d, err = n.format.Describe(ctx, s, n.inside)
		}
		return err
	})
	changed := s.finish()
	n.memory.recorder.Count(BytesRead, s.bytes.Load())
	if changed != nil && (err != nil || d == nil || !d.AppendOnly) {
		return nil, changed
	}
	if err == nil && d == nil {
		err = fmt.Errorf("%s: the %s reader says nothing of it: %w", n.item.Path, n.format.Kind().Name, errdef.ErrUnprocessable)
	}
	if err != nil && !lasts(err) {
		return nil, err
	}
	r := &record{key: n.key, err: err, files: s.files(), trusted: changed == nil}
	for _, f := range r.files {
		r.trusted = n.wall.Trusted(within(n.item.Dir, f.Name), f.Stamp) && r.trusted
	}
	if err == nil {
		r.d = d
		d.Files = r.files
		if d.MediaType == "" {
			d.MediaType = n.format.Kind().MediaType
		}
		d.Metadata = inUTC(d.Metadata)
	}
	if resumes && err == nil && !r.trusted {
		n.memory.goOnFrom(n.key, d)
	}
	return r.finished(n), nil
}

// maxBases bounds the descriptions of changing files that are gone on from.
const maxBases = 32

func (m *Memory) goOnFrom(key adapter.ID, d *adapter.Description) {
	m.records.Lock()
	defer m.records.Unlock()
	if len(m.records.bases) >= maxBases {
		clear(m.records.bases)
	}
	m.records.bases[key] = d
}

// previous is the newest description of an earlier version of the files, for
// formats that can go on from one.
func (m *Memory) previous(n *Node) *adapter.Description {
	if _, resumes := n.format.(adapter.Resumer); !resumes {
		return nil
	}
	m.records.Lock()
	d := m.records.bases[n.key]
	m.records.Unlock()
	if d != nil {
		return d
	}
	r := m.held(n.key)
	if r == nil && m.disk != nil {
		r = m.disk.get(n)
	}
	if r == nil {
		return nil
	}
	return r.d
}

// lasts says whether an error is about the files themselves, and so is the
// same until they change.
func lasts(err error) bool {
	if errors.Is(err, errdef.ErrUnavailable) || errors.Is(err, errdef.ErrChanged) {
		return false
	}
	return slices.ContainsFunc([]error{errdef.ErrUnprocessable, errdef.ErrUnsupported, errdef.ErrTooLarge, errdef.ErrInvalid},
		func(kind error) bool { return errors.Is(err, kind) })
}
