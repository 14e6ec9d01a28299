package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/terrazzo-data/terrazzo/internal/server"
)

// adminFlags say which running server is meant, by its admin listener.
type adminFlags struct {
	Admin    string `help:"The caches of a running server instead: its admin listener, unix:PATH or HOST:PORT." env:"TERRAZZO_ADMIN" placeholder:"ADDR"`
	AdminKey string `name:"admin-key" help:"Key of the admin listener." env:"TERRAZZO_ADMIN_KEY"`
}

// adminTime bounds one question to an admin listener.
const adminTime = 30 * time.Second

// ask sends one request to the admin listener and decodes its answer.
func (f *adminFlags) ask(ctx context.Context, method, path string, into any) error {
	network, address := "tcp", f.Admin
	if socket, ok := strings.CutPrefix(f.Admin, "unix:"); ok {
		network, address = "unix", socket
	}
	client := &http.Client{Timeout: adminTime, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		},
	}}
	r, err := http.NewRequestWithContext(ctx, method, "http://admin"+path, nil)
	if err != nil {
		return err
	}
	if f.AdminKey != "" {
		r.Header.Set("Authorization", "Apikey "+f.AdminKey)
	}
	resp, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("admin listener %s: %w; is the server started with --admin?", f.Admin, err)
	}
	defer func() { _ = resp.Body.Close() }() // only read from
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("admin listener %s: %w", f.Admin, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("admin listener %s: %s: %s", f.Admin, resp.Status, strings.TrimSpace(string(text)))
	}
	return json.Unmarshal(text, into)
}

// stat prints what the caches of a running server hold and did.
func (f *adminFlags) stat(ctx context.Context, p *Program, asJSON bool) error {
	var report server.CacheReport
	if err := f.ask(ctx, http.MethodGet, "/cache", &report); err != nil {
		return err
	}
	if asJSON {
		return printJSON(p.Out, report)
	}
	w := tabwriter.NewWriter(p.Out, 0, 4, 2, ' ', 0)
	var errs []error
	line := func(format string, args ...any) {
		_, err := fmt.Fprintf(w, format, args...)
		errs = append(errs, err)
	}
	if d := report.Data; d != nil {
		line("data cache: %s of %s in %d blocks and columns; %d hits, %d misses, %d joined, %d stored, %d evicted; %.1f s saved, %.1f s spent\n",
			sizeOf(d.Bytes), sizeOf(d.Room), d.Entries, d.Hits, d.Misses, d.Joined, d.Stored, d.Evicted, d.SecondsSaved, d.SecondsSpent)
	}
	if r := report.Responses; r != nil {
		line("response cache: %d hits, %d confirmed, %d stale, %d misses, %d passed, %d refused; %d collapsed, %d stored, %d not to be stored; %s saved\n",
			r.Hits, r.Confirmed, r.Stale, r.Misses, r.Passed, r.Refused, r.Collapsed, r.Stored, r.Unstorable, r.Saved.Round(time.Millisecond))
	}
	if s := report.Store; s != nil {
		line("response store: %s of %s in %d entries; %d evicted, %d errors\n", sizeOf(s.Bytes), sizeOf(s.Capacity), s.Entries, s.Evictions, s.Errors)
	}
	if report.Offline {
		line("offline: what is held is served, and nobody is asked\n")
	}
	for _, n := range report.Entries {
		line("  /%s\t%d\t%s\t%d hits\t%s to load\n", n.Path, n.Entries, sizeOf(n.Bytes), n.Hits, n.Cost.Round(time.Microsecond))
	}
	return errors.Join(append(errs, w.Flush())...)
}

// discard makes a running server or proxy give up what query names, or everything if
// it names nothing.
func (f *adminFlags) discard(ctx context.Context, p *Program, query url.Values, asJSON bool) error {
	route := "/cache/clear"
	if len(query) > 0 {
		route = "/cache/discard?" + query.Encode()
	}
	var answer struct{ Discarded, Purged int }
	if err := f.ask(ctx, http.MethodPost, route, &answer); err != nil {
		return err
	}
	if asJSON {
		return printJSON(p.Out, map[string]int{"discarded": answer.Discarded, "purged": answer.Purged})
	}
	text := "%d blocks and columns given up, and all encoded answers\n"
	if answer.Purged > 0 {
		text = "%d blocks and columns given up, and encoded answers by %d names\n"
		_, err := fmt.Fprintf(p.Out, text, answer.Discarded, answer.Purged)
		return err
	}
	_, err := fmt.Fprintf(p.Out, text, answer.Discarded)
	return err
}

type cacheDiscard struct {
	Path   string   `arg:"" optional:"" help:"Path of a node: what is held of it and of all below it."`
	Asset  string   `help:"A file on the server, or a folder: what is held of all nodes that it is behind." placeholder:"FILE"`
	URL    []string `name:"url" help:"Answers of this address, in every form, as clients use it and without credentials (repeatable)."`
	Prefix []string `help:"Answers of all addresses below this one, which ends in a slash (repeatable)."`
	Group  []string `help:"Answers in this cache group (RFC 9875) of --base (repeatable)."`
	Base   string   `help:"Scheme and host that the groups belong to."`
	JSON   bool     `name:"json" help:"Say in JSON what was given up."`
	adminFlags
}

// Run makes a running server or proxy give up what it holds.
func (c *cacheDiscard) Run(ctx context.Context, p *Program) error {
	query := url.Values{}
	for name, values := range map[string][]string{"url": c.URL, "prefix": c.Prefix, "group": c.Group} {
		if len(values) > 0 {
			query[name] = values
		}
	}
	if c.Base != "" {
		query.Set("base", c.Base)
	}
	path := strings.Trim(c.Path, "/")
	switch {
	case c.Admin == "":
		return errors.New("--admin is missing: name the admin listener of the running server, as unix:PATH or HOST:PORT")
	case path == "" && c.Path != "":
		return errors.New("the root is everything: use cache clear --admin for that")
	case path == "" && c.Asset == "" && len(query) == 0:
		return errors.New("nothing is named: give the path of a node, --asset, --url, --prefix or --group")
	case (path != "" || c.Asset != "") && len(query) > 0 || path != "" && c.Asset != "":
		return errors.New("a path goes alone, and so does --asset: give --url, --prefix and --group in a run of their own")
	case c.Asset != "":
		query.Set("asset", c.Asset)
	case path != "":
		query.Set("path", path)
	}
	return c.discard(ctx, p, query, c.JSON)
}
