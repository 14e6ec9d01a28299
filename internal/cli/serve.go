package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/terrazzo-data/terrazzo/internal/auth"
	"github.com/terrazzo-data/terrazzo/internal/config"
	"github.com/terrazzo-data/terrazzo/internal/server"
	"github.com/terrazzo-data/terrazzo/internal/telemetry"
)

type serveCommand struct {
	Directory serveDirectory `cmd:"" help:"Serve a folder of files, as it is at each moment."`
	Demo      serveDemo      `cmd:"" help:"Serve a small tree that is made on the fly."`
	Config    serveConfig    `cmd:"" help:"Serve what a configuration file says."`
}

// serveFlags are what all ways to serve have; those with a default of their
// own in a configuration file stand in listenFlags.
type listenFlags struct {
	Host           string   `help:"Address to listen at; 0.0.0.0 for all." default:"127.0.0.1"`
	Port           int      `help:"Port to listen at; 0 picks a free one." default:"8000"`
	Public         bool     `help:"Let anybody read, without a key."`
	APIKey         string   `name:"api-key" help:"The API key, letters and digits. Without it one is made and printed." env:"TILED_SINGLE_USER_API_KEY"`
	RootPath       string   `help:"Prefix under which a proxy shows this server, such as /data."`
	PublicURL      string   `name:"public-url" help:"Address that links are built from, whatever requests say."`
	TrustedProxies string   `help:"Addresses or networks whose forwarded headers are believed." default:"127.0.0.1,::1"`
	AllowOrigins   []string `help:"Origins whose pages may read answers (CORS)." name:"allow-origin"`
	UI             string   `name:"ui" help:"Folder with a built web page for /ui/, such as share/tiled/ui of an installed Tiled." type:"existingdir"`
	Memory         string   `help:"Memory in all: bytes like 8GiB, or a fraction of RAM. Default: half of it."`
	DataCache      string   `help:"Share of the memory for decoded blocks; 0 switches the cache off. Default: 15% of RAM."`
	ResponseCache  string   `help:"Share of the memory for encoded answers; 0 switches the cache off. Default: 2% of RAM."`
	ResponseStore  string   `help:"Where encoded answers lie instead of in memory: a store that this program was built with, as NAME or NAME:ADDRESS." placeholder:"STORE"`
	Prefetch       bool     `help:"Read ahead for clients that walk through frames." default:"true" negatable:""`
	CachePolicy    string   `help:"What the data cache keeps: hazard (ours), gdsf or lru." default:"hazard" enum:"hazard,gdsf,lru"`
	CacheTrace     string   `help:"File for a record of accesses to the data cache, for evict/sim." placeholder:"FILE"`
	Admin          string   `help:"Listener to look at and empty the caches: unix:PATH, or HOST:PORT of loopback." placeholder:"ADDR"`
	AdminKey       string   `name:"admin-key" help:"Key of the admin listener; needed for a port." env:"TERRAZZO_ADMIN_KEY"`
	State          string   `help:"Folder for what was learnt about files, or none for memory alone. Default: the user's own." placeholder:"DIR"`
	LogLevel       string   `help:"debug, info, warn or error." default:"info" enum:"debug,info,warn,error"`
	LogFormat      string   `help:"text or json." default:"text" enum:"text,json"`
	Verbose        bool     `short:"v" help:"The same as --log-level debug."`
}

// settings are the flags as a configuration.
func (f *listenFlags) settings() config.Config {
	c := config.Default()
	c.Listen.Host, c.Listen.Port, c.Listen.RootPath, c.Listen.ForwardedAllowIPs = f.Host, f.Port, f.RootPath, f.TrustedProxies
	c.Authentication = config.Authentication{SingleUserAPIKey: f.APIKey, AllowAnonymousAccess: f.Public}
	c.AllowOrigins = f.AllowOrigins
	c.Own.PublicURL, c.Own.UI, c.Own.State = f.PublicURL, f.UI, f.State
	c.Own.Memory, c.Own.DataCache, c.Own.ResponseCache = f.Memory, f.DataCache, f.ResponseCache
	c.Own.ResponseStore = f.ResponseStore
	c.Own.Prefetch, c.Own.CachePolicy, c.Own.CacheTrace = f.Prefetch, f.CachePolicy, f.CacheTrace
	c.Own.Admin, c.Own.AdminKey = f.Admin, f.AdminKey
	c.Own.LogLevel, c.Own.LogFormat = f.LogLevel, f.LogFormat
	if f.Verbose {
		c.Own.LogLevel = "debug"
	}
	return c
}

type serveDirectory struct {
	Path       string            `arg:"" help:"The folder to serve."`
	KeepExt    bool              `help:"Keep file extensions in keys: measurements.csv instead of measurements."`
	Ext        map[string]string `help:"Further file extensions, as .EXT=MEDIATYPE." mapsep:"none"`
	IncludeExt []string          `help:"Serve only files with these extensions, dot included."`
	AllowRoot  []string          `help:"A folder outside in which links may end (repeatable)." placeholder:"DIR"`
	Watch      bool              `short:"w" help:"Accepted for Tiled's sake: the folder is always served as it is now."`
	listenFlags
}

// Run serves a folder.
func (c *serveDirectory) Run(ctx context.Context, p *Program) error {
	s := c.settings()
	s.Trees = []config.Tree{{Tree: "directory", Path: "/", Args: config.TreeArgs{
		Directory: c.Path, KeepExt: c.KeepExt, Ext: c.Ext, IncludeExt: c.IncludeExt, ReadableStorage: c.AllowRoot,
	}}}
	return serve(ctx, p, s)
}

type serveDemo struct{ listenFlags }

// Run serves the demo tree.
func (c *serveDemo) Run(ctx context.Context, p *Program) error {
	s := c.settings()
	s.Trees = []config.Tree{{Tree: "demo", Path: "/"}}
	return serve(ctx, p, s)
}

type serveConfig struct {
	File   string `arg:"" help:"The configuration file, in YAML." type:"existingfile"`
	Public bool   `help:"Let anybody read, without a key, whatever the file says."`
	APIKey string `name:"api-key" help:"The API key, in place of the file's."`
	Host   string `help:"Address to listen at, in place of the file's."`
	Port   int    `help:"Port to listen at, in place of the file's." default:"-1"`
}

// Run serves what a configuration file says.
func (c *serveConfig) Run(ctx context.Context, p *Program) error {
	s, warnings, err := config.Load(c.File, os.LookupEnv)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		p.say("%s: %s\n", c.File, w)
	}
	if c.Public {
		s.Authentication.AllowAnonymousAccess = true
	}
	if c.APIKey != "" {
		s.Authentication.SingleUserAPIKey = c.APIKey
	}
	if c.Host != "" {
		s.Listen.Host = c.Host
	}
	if c.Port >= 0 {
		s.Listen.Port = c.Port
	}
	return serve(ctx, p, s)
}

// serve builds and runs the service, and says where it is.
func serve(ctx context.Context, p *Program, c config.Config) (err error) {
	lines := telemetry.NewLines(p.Err)
	defer func() { err = errors.Join(err, lines.Close()) }()
	log, err := logger(lines, c.Own.LogLevel, c.Own.LogFormat)
	if err != nil {
		return err
	}
	generated := c.Authentication.SingleUserAPIKey == ""
	if generated {
		c.Authentication.SingleUserAPIKey = auth.NewKey()
	}
	s, err := server.New(c, server.Program{Version: version(), Formats: p.Formats, Stores: p.Stores}, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	listener, err := s.Listen(ctx)
	if err != nil {
		return err
	}
	for _, line := range s.Describe() {
		p.say("%s\n", line)
	}
	if err := announce(p, c, listener.Addr(), generated); err != nil {
		return errors.Join(err, listener.Close())
	}
	return s.Serve(ctx, listener)
}

// announce prints the address, ready to be pasted. A key that was given is
// known to whoever gave it, and is not printed.
func announce(p *Program, c config.Config, address net.Addr, generated bool) error {
	host, port, err := net.SplitHostPort(address.String())
	if err != nil {
		host, port = c.Listen.Host, ""
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme := "http"
	if c.Listen.SSLCertfile != "" {
		scheme = "https"
	}
	url := scheme + "://" + net.JoinHostPort(host, port) + "/" + strings.Trim(c.Listen.RootPath, "/")
	if !strings.HasSuffix(url, "/") {
		url += "/"
	}
	if generated && !c.Authentication.AllowAnonymousAccess {
		url += "?api_key=" + c.Authentication.SingleUserAPIKey
	}
	_, err = fmt.Fprintf(p.Out, "\nOpen in a browser, or connect a Tiled client to:\n\n    %s\n\n", url)
	return err
}
