package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/httpcache"
	"github.com/terrazzo-data/terrazzo/internal/offline"
	"github.com/terrazzo-data/terrazzo/internal/profile"
	"github.com/terrazzo-data/terrazzo/internal/server"
)

// serverFlags say which server, and who asks.
type serverFlags struct {
	APIKey     string `name:"api-key" help:"API key. Better in the environment, or in a file." env:"TILED_API_KEY"`
	APIKeyFile string `name:"api-key-file" help:"File of mode 0600 with the API key in it." placeholder:"FILE" type:"path"`
	Offline    bool   `help:"Airplane mode: use what was downloaded, and what the cache holds, and ask nobody."`
	NoCache    bool   `help:"Keep nothing of what is asked, and use nothing that was kept."`
	CacheDir   string `help:"Folder of the cache. Default: in the user's own." env:"TERRAZZO_CACHE_DIR" placeholder:"DIR" type:"path"`
	CacheSize  string `help:"Most that the cache may hold, such as 5GiB. Default: the least of 20GiB, a tenth of the disk and the quota." env:"TERRAZZO_CACHE_SIZE" placeholder:"SIZE"`
	Library    string `help:"Folder of downloads. Default: in the user's own." env:"TERRAZZO_LIBRARY" placeholder:"DIR" type:"path"`
	Verbose    bool   `short:"v" help:"Say what is asked of the server and of the cache."`
}

// nodeFlags name a node too.
type nodeFlags struct {
	URL  string `arg:"" help:"Address of a server or of a node, also as the web page shows it; or the name of a profile."`
	Path string `arg:"" optional:"" help:"Path below it, such as scan/detector."`
	serverFlags
}

// remote is a server that a command talks to.
type remote struct {
	*client.Client
	// principal names who asks, wherever answers are kept.
	principal string
	transport http.RoundTripper
	library   *offline.Library
	cache     *httpcache.Transport
	close     func() error
}

// anonymous is who shows nothing.
const anonymous = "anonymous"

// who is what is known of the asker before anything is asked.
type who struct {
	uri, key, principal string
	profile             string
	tokens              *client.Tokens
}

// resolve finds out who asks whom.
func (f *serverFlags) resolve(target string) (who, error) {
	w := who{uri: target, key: f.APIKey, principal: anonymous}
	if f.APIKeyFile != "" {
		text, err := profile.ReadSecret(f.APIKeyFile)
		if err != nil {
			return w, err
		}
		w.key = strings.TrimSpace(string(text))
	}
	if !strings.ContainsAny(target, ":/") {
		profiles, err := openProfiles()
		if err != nil {
			return w, err
		}
		p, secret, err := profiles.Get(target)
		if err != nil {
			return w, err
		}
		w.uri, w.profile, w.tokens = p.URI, target, secret.Tokens
		if w.key == "" {
			w.key = secret.APIKey
		}
		if p.Principal != "" && w.key == "" {
			w.principal = "principal:" + p.Principal
			return w, nil
		}
	}
	address, err := client.ParseURL(w.uri)
	if err != nil {
		return w, err
	}
	if w.key == "" {
		w.key = address.Key
	}
	if w.key != "" {
		sum := sha256.Sum256([]byte("terrazzo key " + w.key))
		w.principal = "key:" + hex.EncodeToString(sum[:12])
	}
	return w, nil
}

// connect connects to a server, or to what is held of it.
func (f *serverFlags) connect(ctx context.Context, p *Program, target string) (*remote, error) {
	w, err := f.resolve(target)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	if level := "warn"; f.Verbose || p.terminal(p.Err) {
		if f.Verbose {
			level = "debug"
		}
		if log, err = logger(p.Err, level, "text"); err != nil {
			return nil, err
		}
	}
	r := &remote{principal: w.principal, close: func() error { return nil }}
	if r.library, err = f.openLibrary(); err != nil {
		return nil, err
	}
	transport, err := f.transport(r, w, log)
	if err != nil {
		return nil, err
	}
	r.transport = transport
	options := []client.Option{client.WithAPIKey(w.key), client.WithUserAgent("terrazzo/" + release), client.WithTransport(transport)}
	// Somebody waits: no longer than it takes to be sure.
	retry := client.Retry{Attempts: 5, Within: 20 * time.Second, Longest: 2 * time.Second}
	if f.Offline {
		retry.Attempts = 1
	}
	options = append(options, client.WithRetry(retry))
	if r.Client, err = client.Connect(ctx, w.uri, options...); err == nil && w.tokens != nil && w.key == "" && !f.Offline {
		session := client.NewSession(r.Client, *w.tokens, func(t client.Tokens) error { return saveTokens(w.profile, t) })
		r.Client, err = client.Connect(ctx, w.uri, append(options, client.WithAuthorizer(session))...)
	}
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func saveTokens(name string, t client.Tokens) error {
	profiles, err := openProfiles()
	if err != nil {
		return err
	}
	return profiles.PutSecret(name, profile.Secret{Tokens: &t})
}

// maxConnections is what Tiled's own client allows itself.
const maxConnections = 16

// transport is the way to the server: what was downloaded, the cache, the network.
func (f *serverFlags) transport(r *remote, w who, log *slog.Logger) (http.RoundTripper, error) {
	if f.Offline {
		address, err := client.ParseURL(w.uri)
		if err != nil {
			return nil, err
		}
		held, err := r.library.Server(address.API, w.principal)
		if err == nil {
			h, err := held.Handler("", version(), log)
			return offline.Transport{Handler: keyless(h)}, err
		}
		if !errors.Is(err, errdef.ErrNotFound) {
			return nil, err
		}
	}
	network := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableCompression: true, ForceAttemptHTTP2: true, MaxConnsPerHost: maxConnections,
		MaxIdleConnsPerHost: maxConnections, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 2 * time.Minute,
	}
	if f.NoCache && !f.Offline {
		r.close = func() error { network.CloseIdleConnections(); return nil }
		return network, nil
	}
	dir, err := f.cacheFolder()
	if err != nil {
		return nil, err
	}
	size, err := sizeFlag("cache-size", f.CacheSize)
	if err != nil {
		return nil, err
	}
	r.cache, err = httpcache.Open(httpcache.Place{Memory: cacheMemory, Dir: dir, Capacity: size}, httpcache.Options{
		Next: network, Principal: w.principal, Selecting: []string{"Accept", "Accept-Encoding"}, Logger: log,
		Offline: func() bool { return f.Offline },
	})
	if err != nil {
		return nil, err
	}
	r.close = func() error { network.CloseIdleConnections(); return r.cache.Close() }
	return r.cache, nil
}

// sizeFlag reads a number of bytes; "" is 0.
func sizeFlag(name, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	return server.Size(name, text, 0, 0)
}

// cacheMemory is before the disk: one command asks for little twice.
const cacheMemory = 32 << 20

// keyless takes credentials off requests to what is held: who asks was proven by whose
// downloads are open.
func keyless(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Authorization")
		next.ServeHTTP(w, r)
	})
}

// cacheFolder, openLibrary and openProfiles are the user's own folders.
func (f *serverFlags) cacheFolder() (string, error) {
	if f.CacheDir != "" {
		return f.CacheDir, nil
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("--cache-dir: %w", err)
	}
	return filepath.Join(base, "terrazzo", "http"), nil
}

func (f *serverFlags) openLibrary() (*offline.Library, error) {
	dir, err := f.libraryFolder()
	if err != nil {
		return nil, err
	}
	return offline.Open(dir), nil
}

func (f *serverFlags) libraryFolder() (string, error) {
	if f.Library != "" {
		return f.Library, nil
	}
	if base := os.Getenv("XDG_DATA_HOME"); base != "" {
		return filepath.Join(base, "terrazzo", "downloads"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("--library: %w", err)
	}
	return filepath.Join(home, ".local", "share", "terrazzo", "downloads"), nil
}

func openProfiles() (*profile.Store, error) {
	base, err := os.UserConfigDir()
	if err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	return profile.Open(filepath.Join(base, "terrazzo"), profile.TiledFolders(os.Getenv, home, base)...), nil
}

// open connects and opens the node, which use is given; then it closes everything.
func (f *nodeFlags) open(ctx context.Context, p *Program, use func(*remote, *client.Node) error) (err error) {
	r, err := f.connect(ctx, p, f.URL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	n, err := r.Open(ctx, f.Path)
	if err != nil {
		return err
	}
	return use(r, n)
}
