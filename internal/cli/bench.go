package cli

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/httpcache"
	"github.com/terrazzo-data/terrazzo/internal/auth"
	"github.com/terrazzo-data/terrazzo/internal/config"
	"github.com/terrazzo-data/terrazzo/internal/memlimit"
	"github.com/terrazzo-data/terrazzo/internal/proxy"
	"github.com/terrazzo-data/terrazzo/internal/replay"
	"github.com/terrazzo-data/terrazzo/internal/server"
)

// errDiffers ends a bench that found answers which are not the same.
var errDiffers = errors.New("answers differ")

type benchCommand struct {
	Against     string   `help:"The Tiled server to ask: its address, or the name of a profile." required:"" placeholder:"URL"`
	Log         string   `help:"Its access log, or - for the standard input; may be gzipped." required:"" placeholder:"FILE" type:"path"`
	APIKey      string   `name:"api-key" help:"API key. Better in the environment, or in a file." env:"TILED_API_KEY"`
	APIKeyFile  string   `name:"api-key-file" help:"File of mode 0600 with the API key in it." placeholder:"FILE" type:"path"`
	Directory   string   `help:"A folder with the same files: it is served by Terrazzo too, and asked the same." placeholder:"DIR" type:"existingdir"`
	Ours        string   `help:"A Terrazzo, or any other server, that has the same data." placeholder:"URL"`
	Rounds      int      `help:"How often all is done, each way in turn." default:"5"`
	Concurrency int      `help:"Requests under way at most; 1 keeps their order strictly." default:"1"`
	Timing      bool     `help:"Keep the pauses of the log."`
	Speed       float64  `help:"With --timing: so many times as fast as it was." default:"1"`
	Rate        float64  `help:"Most requests a second; 0 is no bound." default:"0"`
	Limit       int      `help:"Most requests that are taken from the log; 0 is all." default:"10000"`
	Strip       string   `help:"Path in front of the log's requests that the server does not know, such as /tiled." placeholder:"PREFIX"`
	PID         []int    `name:"pid" help:"Process of the server if it runs here, for its CPU time; its children count too (repeatable)."`
	Memory      string   `help:"Memory of each cache: bytes like 512MiB, or a fraction of RAM." default:"512MiB"`
	Fresh       []string `help:"Rules of freshness for the proxy, such as 'array/**=60s' (repeatable)."`
	Encoding    string   `help:"Accept-Encoding of the requests." default:"zstd, gzip"`
	JSON        bool     `name:"json" help:"Print one JSON document instead of a table."`
	Quiet       bool     `short:"q" help:"Show no progress."`
}

// Help is printed by --help.
func (*benchCommand) Help() string {
	return `The requests of an access log are sent again, directly and through each cache, and every
answer is compared with the direct one: arrays byte for byte after decoding, JSON by what it
means, without the host in links. Only GET requests are sent, and no credential is taken
from the log. Read are the logs of uvicorn and of Tiled, nginx and Apache (common, combined),
JSON with the usual names, and our own (at the level debug, else queries are missing). Lines
that have no request are counted and named. A log does not say what form was asked for:
arrays are asked for as bytes, tables as Arrow, documents as JSON.

Each round begins with empty caches. Beside the median stand the least and the most of the
rounds, and how many times less it is than directly. The caches run in this program, so that
their CPU time is its own; the client's and the comparison's is in it too. It stops when ten
requests fail one after another. The exit status is 7 if an answer differs.

Examples:

  terrazzo bench --against http://localhost:8000 --log access.log
  terrazzo bench --against http://localhost:8000 --log access.log.gz --concurrency 8 --pid 4711
  terrazzo bench --against https://tiled.example.org/data --strip /data --log access.log --rate 20 --rounds 3
  terrazzo bench --against http://localhost:8000 --log access.log --directory /data --json`
}

// Run replays, and prints what it cost.
func (c *benchCommand) Run(ctx context.Context, p *Program) error {
	l, err := c.readLog()
	if err != nil {
		return err
	}
	b, err := c.prepare()
	if err != nil {
		return err
	}
	show := newProgress(p, c.Quiet)
	ways := []replay.Way{
		{Name: "direct", Open: b.direct},
		{Name: "client's cache (1)", Open: b.layer1},
		{Name: "proxy (2)", Open: b.layer2},
		{Name: "both", Open: b.both},
	}
	if c.Directory != "" {
		ways = append(ways, replay.Way{Name: "own server", Open: b.served})
	}
	if c.Ours != "" {
		ways = append(ways, replay.Way{Name: "other server", Open: b.other})
	}
	result, err := replay.Run(ctx, replay.Options{
		Log: l, Ways: ways, Rounds: c.Rounds, Concurrency: c.Concurrency, Timing: c.Timing, Speed: c.Speed, Rate: c.Rate, Header: b.header,
		Progress: func(way string, round, done, total int) {
			show.show("round %d of %d: %s: %d of %d requests", round+1, c.Rounds, way, done, total)
		},
	})
	show.done()
	if err != nil {
		return err
	}
	return c.report(p, l, result)
}

func (c *benchCommand) report(p *Program, l *replay.Log, r *replay.Result) error {
	if c.JSON {
		d := r.Document()
		d["version"], d["notes"] = version(), l.Notes()
		if err := printJSON(p.Out, d); err != nil {
			return err
		}
	} else {
		for _, note := range l.Notes() {
			p.say("%s\n", note)
		}
		_, err := fmt.Fprintf(p.Out, "%d requests for %d targets, %d rounds, terrazzo %s\n\n", r.Requests, r.Targets, c.Rounds, version())
		if err = errors.Join(err, r.WriteTable(p.Out)); err != nil {
			return err
		}
		for _, w := range r.Ways {
			if w.Unstable > 0 {
				p.say("%s: %d answers are not comparable: the direct one changed meanwhile\n", w.Name, w.Unstable)
			}
			for _, d := range w.Differences {
				p.say("%s: %s: %s\n", w.Name, d.Target, d.How)
			}
		}
	}
	if r.Differing() {
		return fmt.Errorf("bench: %w", errDiffers)
	}
	return nil
}

// readLog opens the log, decoding gzip by its first bytes.
func (c *benchCommand) readLog() (_ *replay.Log, err error) {
	f := os.Stdin
	if c.Log != "-" {
		if f, err = os.Open(c.Log); err != nil {
			return nil, fmt.Errorf("--log: %w", err)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
	}
	var r io.Reader = f
	if strings.HasSuffix(c.Log, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, fmt.Errorf("--log %s: %w: %w", c.Log, err, errdef.ErrInvalid)
		}
	}
	return replay.ReadLog(r, strings.TrimRight(c.Strip, "/"), c.Limit)
}

// bench is what the ways are made of.
type bench struct {
	c             *benchCommand
	against, ours *url.URL
	header        http.Header
	key           string
	memory        int64
}

func (c *benchCommand) prepare() (*bench, error) {
	who, err := (&serverFlags{APIKey: c.APIKey, APIKeyFile: c.APIKeyFile}).resolve(c.Against)
	if err != nil {
		return nil, err
	}
	b := &bench{c: c, key: who.key, header: http.Header{"Accept-Encoding": {c.Encoding}, "User-Agent": {"terrazzo-bench/" + release}}}
	if b.against, err = serverOf(who.uri); err != nil {
		return nil, fmt.Errorf("--against: %w", err)
	}
	if c.Ours != "" {
		if b.ours, err = serverOf(c.Ours); err != nil {
			return nil, fmt.Errorf("--ours: %w", err)
		}
	}
	if b.key != "" {
		b.header.Set("Authorization", "Apikey "+b.key)
	}
	b.memory, err = server.Size("memory", c.Memory, memlimit.Total(), 0)
	return b, err
}

// serverOf is the address of a server without the path of its API.
func serverOf(text string) (*url.URL, error) {
	address, err := client.ParseURL(text)
	if err != nil {
		return nil, err
	}
	return url.Parse(strings.TrimSuffix(address.API, "/api/v1"))
}

// cpu is the CPU time of the server.
func (b *bench) cpu() (time.Duration, bool) { return replay.ProcessCPU(b.c.PID) }

// direct asks the server itself.
func (b *bench) direct(context.Context) (*replay.Line, error) {
	network := replay.Network(b.c.Concurrency)
	counter := &replay.Counter{Next: network}
	return &replay.Line{
		Base: strings.TrimRight(b.against.String(), "/"), Transport: counter, Origin: counter.Traffic, CPU: b.cpu,
		Close: func() error { network.CloseIdleConnections(); return nil },
	}, nil
}

// layer1 puts the client's cache over a line.
func (b *bench) layer1(ctx context.Context) (*replay.Line, error) {
	line, err := b.direct(ctx)
	if err != nil {
		return nil, err
	}
	return b.cached(line)
}

func (b *bench) cached(line *replay.Line) (*replay.Line, error) {
	cache, err := httpcache.Open(httpcache.Place{Memory: b.memory}, httpcache.Options{
		Next: line.Transport, Selecting: []string{"Accept", "Accept-Encoding"},
	})
	if err != nil {
		return nil, errors.Join(err, line.Close())
	}
	below := line.Close
	line.Transport, line.Close = cache, func() error { return errors.Join(cache.Close(), below()) }
	return line, nil
}

// layer2 asks through a proxy, behind which a relay counts.
func (b *bench) layer2(ctx context.Context) (*replay.Line, error) {
	network := replay.Network(b.c.Concurrency)
	counter := &replay.Counter{Next: network}
	relay, closeRelay, err := replay.Serve(ctx, replay.Relay(b.against, counter))
	if err != nil {
		return nil, err
	}
	px, err := proxy.New(proxy.Options{Origin: relay, Memory: b.memory, Fresh: b.c.Fresh})
	if err != nil {
		return nil, errors.Join(err, closeRelay())
	}
	base, closeProxy, err := replay.Serve(ctx, px)
	if err != nil {
		return nil, errors.Join(err, px.Close(), closeRelay())
	}
	way := replay.Network(b.c.Concurrency)
	return &replay.Line{
		Base: base, Transport: way, Origin: counter.Traffic, CPU: b.cpu,
		Close: func() error {
			way.CloseIdleConnections()
			err := errors.Join(closeProxy(), px.Close(), closeRelay())
			network.CloseIdleConnections()
			return err
		},
	}, nil
}

func (b *bench) both(ctx context.Context) (*replay.Line, error) {
	line, err := b.layer2(ctx)
	if err != nil {
		return nil, err
	}
	return b.cached(line)
}

// served asks a server of our own in this process, over a folder.
func (b *bench) served(ctx context.Context) (*replay.Line, error) {
	o := config.Default()
	o.Listen.Host, o.Listen.Port = "127.0.0.1", 0
	o.Own.State = "none"
	o.Authentication.SingleUserAPIKey = b.key
	if b.key == "" {
		o.Authentication = config.Authentication{SingleUserAPIKey: auth.NewKey(), AllowAnonymousAccess: true}
	}
	o.Trees = []config.Tree{{Tree: "directory", Path: "/", Args: config.TreeArgs{Directory: b.c.Directory}}}
	s, err := server.New(o, server.Program{Version: version()}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, fmt.Errorf("--directory: %w", err)
	}
	l, err := s.Listen(ctx)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	network := replay.Network(b.c.Concurrency)
	counter := &replay.Counter{Next: network}
	return &replay.Line{
		Base: "http://" + l.Addr().String(), Transport: counter, Origin: counter.Traffic,
		Close: func() error {
			network.CloseIdleConnections()
			stop()
			return errors.Join(<-done, s.Close())
		},
	}, nil
}

// other asks another server.
func (b *bench) other(context.Context) (*replay.Line, error) {
	network := replay.Network(b.c.Concurrency)
	counter := &replay.Counter{Next: network}
	return &replay.Line{
		Base: strings.TrimRight(b.ours.String(), "/"), Transport: counter, Origin: counter.Traffic,
		Close: func() error { network.CloseIdleConnections(); return nil },
	}, nil
}
