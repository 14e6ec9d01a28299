package host

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// Options say what hosts are started and how they are kept. Program is needed.
type Options struct {
	// Program is the path of the host, Args its command line. It gets a
	// listening unix socket as descriptor 3 and nothing else of ours.
	Program string
	Args    []string
	// Env is all of the host's environment.
	Env []string
	// Processes is how many run (the number of cores), PerProcess how many
	// requests one gets at a time (4).
	Processes, PerProcess int
	// Deadline bounds each request (60 s).
	Deadline time.Duration
	// Patience is how long a host may compute without an answer to anybody
	// while more than one wait for it (3 s): whoever computes without an end
	// holds up the rest, since a C library does one thing at a time.
	Patience time.Duration
	// Memory is how much a host may hold before it is replaced, in bytes;
	// 0 means any amount.
	Memory int64
	// Fresh is how long after a change a file counts as being written (3 s).
	Fresh time.Duration
	Log   *slog.Logger
}

func (o Options) settled() Options {
	if o.Processes <= 0 {
		o.Processes = runtime.GOMAXPROCS(0)
	}
	if o.PerProcess <= 0 {
		o.PerProcess = 4
	}
	if o.Deadline <= 0 {
		o.Deadline = time.Minute
	}
	if o.Patience <= 0 {
		o.Patience = 3 * time.Second
	}
	if o.Fresh <= 0 {
		o.Fresh = 3 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Stats count what a pool has seen.
type Stats struct {
	// Started hosts, of which Crashed ended by themselves and Killed by us.
	Started, Crashed, Killed int64
	// Requests that were answered, Retried alone after their host was lost,
	// and Spilled to another host than the file's own.
	Requests, Retried, Spilled int64
	// Marked files now, expired marks included.
	Marked int
}

// Pool is a set of hosts of one kind. Each is started when it is needed. It is
// safe for concurrent use.
type Pool struct {
	opts    Options
	dir     string
	serial  atomic.Int64
	spawner *spawner
	seed    maphash.Seed
	marks   marks
	// suspects are the paths that are being read alone.
	suspects suspects
	// alone is held by those who read in a fresh process of their own.
	alone     chan struct{}
	admitted  chan struct{}
	processes sync.WaitGroup
	counts    struct {
		started, crashed, killed, requests, retried, spilled atomic.Int64
	}

	mu     sync.Mutex
	slots  []*slot
	loose  map[*process]struct{} // those of no slot
	closed bool
}

// slot is the place of one host, which may have died meanwhile.
type slot struct {
	inflight int // guarded by the pool's mutex, as are fails and next
	fails    int
	next     time.Time // when the next may be started

	starting sync.Mutex // held while one is started; taken before the pool's
	proc     atomic.Pointer[process]
}

// Start makes a pool. It starts one host, to see whether it can be started.
func Start(opts Options) (*Pool, error) {
	dir, err := os.MkdirTemp("", "terrazzo-")
	if err != nil {
		return nil, fmt.Errorf("host: folder for sockets: %w", err)
	}
	p := &Pool{opts: opts.settled(), dir: dir, spawner: newSpawner(), seed: maphash.MakeSeed(), loose: make(map[*process]struct{})}
	// Some who compute until their deadline leave room for others.
	p.alone = make(chan struct{}, 4*p.opts.Processes)
	p.admitted = make(chan struct{}, p.opts.Processes*p.opts.PerProcess)
	for range p.opts.Processes {
		p.slots = append(p.slots, &slot{})
	}
	if _, err := p.ensure(p.slots[0]); err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

// Greeting is what the hosts say of themselves.
func (p *Pool) Greeting() Greeting {
	proc, err := p.ensure(p.slots[0])
	if err != nil {
		return Greeting{}
	}
	return proc.greeting
}

// Close ends all hosts, waits for them, and removes their sockets. Requests
// that run end with an error.
func (p *Pool) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	all := make([]*process, 0, len(p.slots)+len(p.loose))
	for proc := range p.loose {
		all = append(all, proc)
	}
	p.mu.Unlock()
	for _, s := range p.slots {
		s.starting.Lock() // whoever was starting one is done
		if proc := s.proc.Load(); proc != nil {
			all = append(all, proc)
		}
		s.starting.Unlock()
	}
	for _, proc := range all {
		proc.kill()
	}
	done := make(chan struct{})
	go func() {
		p.processes.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(closeTime): // one that waits for the disk dies later
	}
	p.spawner.close()
	return os.RemoveAll(p.dir)
}

// closeTime is how long Close waits for processes that were killed.
const closeTime = 5 * time.Second

// Stats returns the counts so far.
func (p *Pool) Stats() Stats {
	c := &p.counts
	return Stats{
		Started: c.started.Load(), Crashed: c.crashed.Load(), Killed: c.killed.Load(), Requests: c.requests.Load(),
		Retried: c.retried.Load(), Spilled: c.spilled.Load(), Marked: p.marks.count(),
	}
}

// Lift takes the mark off a file, by its path, so that it is tried again.
func (p *Pool) Lift(path string) { p.marks.lift(path) }

// job is one request as its asker sees it.
type job struct {
	// path decides which host it goes to, and is what a mark is set on; name
	// is what errors call it.
	path, name string
	// live says that the file may be being written: it is never marked.
	live    bool
	request *Request
	token   []byte
	place   func(uint64) ([]byte, error)
}

// do runs a job. An error that the host answered comes back as an error.
func (p *Pool) do(ctx context.Context, j job) (Reply, []byte, error) {
	if err := p.verdict(ctx, j, p.suspects.wait); err != nil {
		return Reply{}, nil, err
	}
	reply, body, end, err := p.shared(ctx, j, true)
	if end == crowded {
		reply, body, end, err = p.shared(ctx, j, false)
	}
	switch end {
	case answered:
		return settled(reply, body, err, j)
	case left, none:
		return Reply{}, nil, err
	case slept:
		return Reply{}, nil, fmt.Errorf("%s: the disk did not answer within %s: %w", j.name, p.opts.Deadline, errdef.ErrUnavailable)
	default: // lost, crowded or burnt
		return p.once(ctx, j)
	}
}

// verdict waits while the file is being read alone, which suspected tells, and
// says whether it was set aside.
func (p *Pool) verdict(ctx context.Context, j job, suspected func(path string) (known <-chan struct{})) error {
	for {
		if err := p.marks.check(j.path, j.name); err != nil {
			return err
		}
		known := suspected(j.path)
		if known == nil {
			return nil
		}
		select {
		case <-known:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// shared runs a job in a host that has others as well. A host that was ended
// because it computed while others waited says crowded the first time.
func (p *Pool) shared(ctx context.Context, j job, first bool) (Reply, []byte, end, error) {
	select {
	case p.admitted <- struct{}{}:
		defer func() { <-p.admitted }()
	case <-ctx.Done():
		return Reply{}, nil, none, ctx.Err()
	}
	s, proc, err := p.take(ctx, j.path)
	if err != nil {
		return Reply{}, nil, none, err
	}
	reply, body, end, err := p.attempt(ctx, proc, j)
	p.give(s, proc, end)
	if end == lost && first && proc.crowded.Load() {
		end = crowded
	}
	return reply, body, end, err
}

// settled is what the asker gets of an answer.
func settled(reply Reply, body []byte, err error, j job) (Reply, []byte, error) {
	if err == nil && !reply.OK && len(reply.Need) == 0 {
		err = errorOf(reply.Error, reply.Message)
	}
	if err != nil && j.live && errors.Is(err, errdef.ErrUnprocessable) {
		// What is being written makes no sense yet.
		err = &remote{text: err.Error() + ": it has just been written to", kind: errdef.ErrUnavailable}
	}
	return reply, body, err
}

// end is how an attempt ended.
type end int

const (
	answered end = iota // by the host
	left                // the asker went away
	lost                // the host died, or had to be ended
	burnt               // the time was used up by computing
	slept               // the time was used up by waiting for the disk
	crowded             // the host was ended for the sake of those who waited
	none                // there was none
)

// attempt runs a job in one process, and ends the process if it hangs.
func (p *Pool) attempt(ctx context.Context, proc *process, j job) (Reply, []byte, end, error) {
	proc.inflight.Add(1)
	defer proc.inflight.Add(-1)
	_, before := condition(proc.pid)
	timed, cancel := context.WithTimeout(ctx, p.opts.Deadline)
	defer cancel()
	watch := p.watch(timed, proc)
	defer watch()
	c, err := proc.get(timed)
	var reply Reply
	var body []byte
	if err == nil {
		request := *j.request
		if reply, body, err = c.call(timed, &request, j.token, j.place); err == nil {
			proc.put(c)
			proc.answers.Add(1)
			p.counts.requests.Add(1)
			return reply, body, answered, nil
		}
		_ = c.Close()
	}
	switch {
	case ctx.Err() != nil:
		return Reply{}, nil, left, ctx.Err()
	case timed.Err() != nil:
		state, after := condition(proc.pid)
		// On a busy machine what computes may have got little of it.
		computed := after-before >= p.opts.Deadline/4 || after-before >= p.opts.Deadline/20 && running(proc.pid)
		p.end(proc)
		if state != 'T' && !computed {
			return Reply{}, nil, slept, timed.Err()
		}
		return Reply{}, nil, burnt, timed.Err()
	case errors.Is(err, errLost):
		return Reply{}, nil, lost, err
	}
	return Reply{}, nil, answered, err
}

// once runs a job, whose host was lost, in a fresh process of its own.
func (p *Pool) once(ctx context.Context, j job) (Reply, []byte, error) {
	// Another who reads it alone may find out.
	if err := p.verdict(ctx, j, p.suspects.begin); err != nil {
		return Reply{}, nil, err
	}
	defer p.suspects.end(j.path)
	select {
	case p.alone <- struct{}{}:
		defer func() { <-p.alone }()
	case <-ctx.Done():
		return Reply{}, nil, ctx.Err()
	}
	p.counts.retried.Add(1)
	proc, err := p.fresh()
	if err != nil {
		return Reply{}, nil, err
	}
	reply, body, end, err := p.attempt(ctx, proc, j)
	var why string
	switch end {
	case answered, left:
		proc.kill()
		if end == answered {
			p.marks.lift(j.path)
		}
		return settled(reply, body, err, j)
	case lost:
		if proc.outside() {
			return Reply{}, nil, fmt.Errorf("%s: its reader was ended twice from outside: %w", j.name, errdef.ErrUnavailable)
		}
		why = "its reader crashed on it twice (" + proc.story() + ")"
	case burnt:
		why = fmt.Sprintf("its reader computed for %s twice without an end", p.opts.Deadline)
	default:
		return Reply{}, nil, fmt.Errorf("%s: the disk did not answer within %s: %w", j.name, p.opts.Deadline, errdef.ErrUnavailable)
	}
	p.opts.Log.LogAttrs(ctx, slog.LevelWarn, "a file ends its reader", slog.String("file", j.name), slog.String("reason", why), slog.Bool("live", j.live))
	if j.live {
		return Reply{}, nil, fmt.Errorf("%s: is being written, and %s: %w", j.name, why, errdef.ErrUnavailable)
	}
	p.marks.set(j.path, why)
	return Reply{}, nil, fmt.Errorf("%s: cannot be read: %s: %w: %w", j.name, why, errdef.ErrUnprocessable, errdef.ErrUnavailable)
}

// fresh starts a process that belongs to no slot.
func (p *Pool) fresh() (*process, error) {
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return nil, stopping()
	}
	proc, err := p.launch(func(proc *process) {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.loose, proc)
		if !proc.killed.Load() && !p.closed {
			p.counts.crashed.Add(1)
		}
	})
	if err != nil {
		return nil, err
	}
	p.counts.started.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-proc.gone:
	default:
		p.loose[proc] = struct{}{}
	}
	if p.closed {
		proc.kill()
		return nil, stopping()
	}
	return proc, nil
}

func stopping() error {
	return fmt.Errorf("host: the server is stopping: %w", errdef.ErrUnavailable)
}

// Format is a format of the hosts, as the server's own. Files are read in the
// hosts, and what lies in them as it is sent by the server itself.
func (p *Pool) Format(kind adapter.Kind) adapter.Format {
	return format{pool: p, kind: kind}
}

// rank orders the slots for a path: the first is its own.
func (p *Pool) rank(path string) []*slot {
	type ranked struct {
		s     *slot
		value uint64
	}
	order := make([]ranked, len(p.slots))
	for i, s := range p.slots {
		order[i] = ranked{s, maphash.Comparable(p.seed, struct {
			path string
			i    int
		}{path, i})}
	}
	slices.SortFunc(order, func(a, b ranked) int {
		switch {
		case a.value < b.value:
			return 1
		case a.value > b.value:
			return -1
		}
		return 0
	})
	out := make([]*slot, len(order))
	for i, r := range order {
		out[i] = r.s
	}
	return out
}
