package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/httpcache"
	"github.com/terrazzo-data/terrazzo/internal/offline"
)

type cacheCommand struct {
	Stat    cacheStat    `cmd:"" help:"Say what is held: the cache of answers, and what was downloaded of each node and when."`
	Refresh cacheRefresh `cmd:"" help:"Ask the server about all that was downloaded, and fetch what changed."`
	Clear   cacheClear   `cmd:"" help:"Forget the cache of answers; downloads stay."`
	Discard cacheDiscard `cmd:"" help:"Make a running server or proxy give up what it holds of a node, an address or a group."`
	Remove  cacheRemove  `cmd:"" help:"Forget what was downloaded from a server."`
}

// placeFlags say where things are held.
type placeFlags struct {
	CacheDir string `help:"Folder of the cache. Default: in the user's own." env:"TERRAZZO_CACHE_DIR" placeholder:"DIR" type:"path"`
	Library  string `help:"Folder of downloads. Default: in the user's own." env:"TERRAZZO_LIBRARY" placeholder:"DIR" type:"path"`
}

func (f *placeFlags) server() *serverFlags {
	return &serverFlags{CacheDir: f.CacheDir, Library: f.Library}
}

type cacheStat struct {
	placeFlags
	adminFlags
	JSON bool `name:"json" help:"One JSON document per line."`
}

// held is a line of `cache stat`.
type held struct {
	Server    string    `json:"server"`
	Principal string    `json:"principal"`
	Path      string    `json:"path"`
	Family    string    `json:"family"`
	Parts     int64     `json:"parts"`
	Total     int64     `json:"total"`
	Bytes     int64     `json:"bytes"`
	Fetched   time.Time `json:"fetched"`
}

// Run says what is held.
func (c *cacheStat) Run(ctx context.Context, p *Program) error {
	if c.Admin != "" {
		return c.stat(ctx, p, c.JSON)
	}
	if err := c.answers(p); err != nil {
		return err
	}
	library, err := c.server().openLibrary()
	if err != nil {
		return err
	}
	servers, err := library.Servers()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.Out, 0, 4, 2, ' ', 0)
	for _, s := range servers {
		if !c.JSON {
			_, _ = fmt.Fprintf(w, "\n%s as %s\n", s.API, s.Principal) // Flush says what failed
		}
		err := s.Walk(ctx, func(h offline.Held) error {
			line := held{
				Server: s.API, Principal: s.Principal, Path: "/" + strings.Join(h.Path, "/"), Family: h.Family,
				Parts: h.Parts, Total: h.Total, Bytes: h.Bytes, Fetched: h.Fetched,
			}
			if c.JSON {
				return printJSON(p.Out, line)
			}
			parts := ""
			if h.Total > 0 {
				parts = fmt.Sprintf("%d of %d parts", h.Parts, h.Total)
			}
			_, err := fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s ago\n", line.Path, h.Family, parts, sizeOf(h.Bytes), time.Since(h.Fetched).Round(time.Second))
			return err
		})
		if err != nil && !errors.Is(err, errdef.ErrNotFound) {
			return err
		}
	}
	return w.Flush()
}

// answers says what the cache of answers holds.
func (c *cacheStat) answers(p *Program) (err error) {
	t, dir, err := openAnswers(c.server())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	s := t.StoreStats()
	if c.JSON {
		return printJSON(p.Out, map[string]any{"cache": dir, "entries": s.Entries, "bytes": s.Bytes, "capacity": s.Capacity})
	}
	_, err = fmt.Fprintf(p.Out, "%s: %d entries, %s of %s\n", dir, s.Entries, sizeOf(s.Bytes), sizeOf(s.Capacity))
	return err
}

func openAnswers(f *serverFlags) (*httpcache.Transport, string, error) {
	dir, err := f.cacheFolder()
	if err != nil {
		return nil, "", err
	}
	t, err := httpcache.Open(httpcache.Place{Dir: dir}, httpcache.Options{})
	return t, dir, err
}

type cacheClear struct {
	placeFlags
	adminFlags
	URL  string `arg:"" optional:"" help:"Only answers of this server."`
	JSON bool   `name:"json" help:"Say in JSON what was done."`
}

// Run forgets the cache of answers.
func (c *cacheClear) Run(ctx context.Context, p *Program) (err error) {
	if c.Admin != "" {
		return c.discard(ctx, p, nil, c.JSON)
	}
	origin := ""
	if c.URL != "" {
		address, err := client.ParseURL(c.URL)
		if err != nil {
			return err
		}
		scheme, rest, _ := strings.Cut(address.API, "://")
		host, _, _ := strings.Cut(rest, "/")
		origin = scheme + "://" + host
	}
	t, _, err := openAnswers(c.server())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	before := t.StoreStats()
	if err := t.Clear(ctx, origin); err != nil || !c.JSON {
		return err
	}
	return printJSON(p.Out, map[string]any{"cleared": origin, "entries_before": before.Entries, "bytes_before": before.Bytes})
}

type cacheRefresh struct {
	URL string `arg:"" help:"The server, or the name of a profile."`
	serverFlags
	Quiet bool `short:"q" help:"Show no progress."`
	JSON  bool `name:"json" help:"Say in JSON what was done."`
}

// Run asks about what was downloaded.
func (c *cacheRefresh) Run(ctx context.Context, p *Program) (err error) {
	c.NoCache = true
	r, err := c.connect(ctx, p, c.URL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	server, err := r.library.Server(r.URL(), r.principal)
	if err != nil {
		return err
	}
	progress := newProgress(p, c.Quiet)
	done, err := server.Refresh(ctx, r.Client, offline.Wanted{Report: reporter(p, progress)})
	progress.done()
	if err != nil {
		return err
	}
	return summary(p, c.JSON, done)
}

type cacheRemove struct {
	URL string `arg:"" help:"The server, or the name of a profile."`
	serverFlags
	JSON bool `name:"json" help:"Say in JSON what was done."`
}

// Run forgets what was downloaded from a server.
func (c *cacheRemove) Run(p *Program) error {
	server, err := c.heldServer(c.URL)
	if err != nil {
		return err
	}
	if err := server.Remove(); err != nil || !c.JSON {
		return err
	}
	return printJSON(p.Out, map[string]string{"removed": server.API, "principal": server.Principal})
}

// heldServer is what was downloaded from a server by who asks.
func (f *serverFlags) heldServer(target string) (*offline.Server, error) {
	w, err := f.resolve(target)
	if err != nil {
		return nil, err
	}
	address, err := client.ParseURL(w.uri)
	if err != nil {
		return nil, err
	}
	library, err := f.openLibrary()
	if err != nil {
		return nil, err
	}
	return library.Server(address.API, w.principal)
}
