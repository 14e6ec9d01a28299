package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// startTime is how long a host may take to start and to greet.
const startTime = 15 * time.Second

// process is one running host.
type process struct {
	cmd      *exec.Cmd
	pid      int
	socket   string
	greeting Greeting
	output   *tail
	// gone is closed when the process is known to have ended; state is set then.
	gone  chan struct{}
	state *os.ProcessState
	// killed says that we ended it.
	killed atomic.Bool
	// crowded says that we did because it held up others.
	crowded atomic.Bool
	// inflight are the requests it has now, answers how many it has answered.
	inflight, answers atomic.Int64
	// looked is when its memory was looked at last.
	looked atomic.Int64

	mu   sync.Mutex
	idle []*conn
	done bool
}

// spawner starts processes from one thread, which lives as long as they may:
// the signal that a process gets when its parent dies is sent when the thread
// that started it ends.
type spawner struct {
	jobs chan spawn
	done chan struct{}
}

type spawn struct {
	cmd    *exec.Cmd
	result chan error
}

func newSpawner() *spawner {
	s := &spawner{jobs: make(chan spawn), done: make(chan struct{})}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		defer close(s.done)
		for j := range s.jobs {
			j.result <- j.cmd.Start()
		}
	}()
	return s
}

func (s *spawner) start(cmd *exec.Cmd) error {
	result := make(chan error, 1)
	s.jobs <- spawn{cmd, result}
	return <-result
}

func (s *spawner) close() {
	close(s.jobs)
	<-s.done
}

// launch starts a host that listens on a socket of its own, and waits for its
// greeting. ended is called, once, when the process has ended.
func (p *Pool) launch(ended func(*process)) (*process, error) {
	socket := filepath.Join(p.dir, strconv.FormatInt(p.serial.Add(1), 10))
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("host: socket: %w: %w", err, errdef.ErrUnavailable)
	}
	l.SetUnlinkOnClose(false)
	defer l.Close() //nolint:errcheck // the child has its own
	f, err := l.File()
	if err != nil {
		return nil, fmt.Errorf("host: socket: %w: %w", err, errdef.ErrUnavailable)
	}
	defer f.Close() //nolint:errcheck // the child has its own
	proc := &process{socket: socket, output: &tail{}, gone: make(chan struct{})}
	proc.cmd = exec.Command(p.opts.Program, p.opts.Args...) //nolint:noctx // it outlives the request
	proc.cmd.ExtraFiles = []*os.File{f}
	proc.cmd.Env = p.opts.Env
	proc.cmd.Dir = "/"
	proc.cmd.Stderr = proc.output
	proc.cmd.WaitDelay = time.Second
	proc.cmd.SysProcAttr = attributes()
	if err := p.spawner.start(proc.cmd); err != nil {
		_ = os.Remove(socket)
		return nil, fmt.Errorf("host: %s: %w: %w", p.opts.Program, err, errdef.ErrUnavailable)
	}
	proc.pid = proc.cmd.Process.Pid
	p.processes.Go(func() {
		_ = proc.cmd.Wait()
		proc.state = proc.cmd.ProcessState
		_ = os.Remove(socket)
		proc.abandon()
		close(proc.gone)
		ended(proc)
	})
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	stop := context.AfterFunc(ctx, proc.kill)
	defer stop()
	go func() { // a host that dies before it listens never greets
		select {
		case <-proc.gone:
			cancel()
		case <-ctx.Done():
		}
	}()
	c, g, err := dial(ctx, socket)
	if err != nil {
		proc.kill()
		if errors.Is(err, errdef.ErrUnsupported) {
			return nil, err
		}
		<-proc.gone
		return nil, fmt.Errorf("host: %s did not start (%s): %w: %w", p.opts.Program, proc.story(), err, errdef.ErrUnavailable)
	}
	proc.greeting = g
	proc.put(c)
	return proc, nil
}

// kill ends the process and its children at once. What it was doing is lost.
func (p *process) kill() {
	p.killed.Store(true)
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	_ = syscall.Kill(p.pid, syscall.SIGKILL) // should it not be its group's leader yet
	p.abandon()
}

// abandon closes connections that nobody uses and keeps no more of them.
func (p *process) abandon() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
	for _, c := range p.idle {
		_ = c.Close()
	}
	p.idle = nil
}

// get returns a connection nobody uses, or a new one.
func (p *process) get(ctx context.Context) (*conn, error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	p.mu.Unlock()
	c, _, err := dial(ctx, p.socket)
	return c, err
}

func (p *process) put(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		_ = c.Close()
		return
	}
	p.idle = append(p.idle, c)
}

// outside says whether the end of the process was somebody's doing from outside:
// ours, or that of whoever sends SIGKILL. It waits for the end.
func (p *process) outside() bool {
	select {
	case <-p.gone:
	case <-time.After(time.Second):
		return true
	}
	if p.killed.Load() {
		return true
	}
	status, ok := p.state.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && (status.Signal() == syscall.SIGKILL || status.Signal() == syscall.SIGTERM)
}

// story says in a few words how the process ended, and what it said last.
func (p *process) story() string {
	select {
	case <-p.gone:
	default:
		return "it runs"
	}
	text := p.output.last()
	if p.state != nil {
		text = p.state.String() + ": " + text
	}
	return text
}

// tail keeps the last of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailBytes = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > 2*tailBytes {
		t.b = bytes.Clone(t.b[len(t.b)-tailBytes:])
	}
	return len(p), nil
}

// last is the line that says most about why a program ended.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(t.b), []byte("\n"))
	for _, line := range lines {
		for _, start := range []string{"fatal error: ", "panic: ", "SIG", "runtime: out of memory"} {
			if bytes.HasPrefix(line, []byte(start)) {
				return string(line[:min(len(line), 200)])
			}
		}
	}
	line := lines[len(lines)-1]
	return string(line[:min(len(line), 200)])
}
