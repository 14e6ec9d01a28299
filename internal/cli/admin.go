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
		line("response cache: %d confirmed, %d misses, %d passed, %d collapsed, %d stored; %s saved\n",
			r.Confirmed, r.Misses, r.Passed, r.Collapsed, r.Stored, r.Saved.Round(time.Millisecond))
	}
	for _, n := range report.Entries {
		line("  /%s\t%d\t%s\t%d hits\t%s to load\n", n.Path, n.Entries, sizeOf(n.Bytes), n.Hits, n.Cost.Round(time.Microsecond))
	}
	return errors.Join(append(errs, w.Flush())...)
}

// discard makes a running server give up what it holds: of the node at path
// and all below it, or of everything if path is empty.
func (f *adminFlags) discard(ctx context.Context, p *Program, path string) error {
	route := "/cache/clear"
	if path != "" {
		route = "/cache/discard?path=" + url.QueryEscape(path)
	}
	var answer struct{ Discarded int }
	if err := f.ask(ctx, http.MethodPost, route, &answer); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.Out, "%d blocks and columns given up, and all encoded answers\n", answer.Discarded)
	return err
}

type cacheDiscard struct {
	Path string `arg:"" help:"Path of the node."`
	adminFlags
}

// Run makes a running server give up what it holds of a node.
func (c *cacheDiscard) Run(ctx context.Context, p *Program) error {
	if c.Admin == "" {
		return errors.New("--admin is missing: name the admin listener of the running server, as unix:PATH or HOST:PORT")
	}
	if strings.Trim(c.Path, "/") == "" {
		return errors.New("the root is everything: use cache clear --admin for that")
	}
	return c.discard(ctx, p, c.Path)
}
