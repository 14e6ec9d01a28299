package httpapi_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/datacache"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/auth"
	"github.com/terrazzo-data/terrazzo/internal/budget"
	"github.com/terrazzo-data/terrazzo/internal/catalog"
	"github.com/terrazzo-data/terrazzo/internal/coding"
	"github.com/terrazzo-data/terrazzo/internal/httpapi"
	"github.com/terrazzo-data/terrazzo/internal/media"
	"github.com/terrazzo-data/terrazzo/internal/testenv"
	"github.com/terrazzo-data/terrazzo/ndslice"
	"github.com/terrazzo-data/terrazzo/structure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source is an array whose state a test moves on, and which counts its reads.
type source struct {
	rows, columns, blockRows int64
	state                    atomic.Int64 // its version
	racy                     atomic.Bool
	reads                    atomic.Int64
	// onRead, if set, is called before each read.
	onRead func(ctx context.Context, n int64)
	// describeError, if set, is what Describe says.
	describeError error
}

var modified = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (s *source) version() adapter.Version {
	sum := sha256.Sum256(fmt.Appendf(nil, "state %d", s.state.Load()))
	return adapter.Version{ID: adapter.ID(sum[:16]), Trusted: !s.racy.Load(), Modified: modified, Pin: s.state.Load()}
}

func (s *source) Describe(context.Context) (*adapter.Description, adapter.Version, error) {
	if s.describeError != nil {
		return nil, adapter.Version{}, s.describeError
	}
	shape, block := []int64{s.rows, s.columns}, []int64{s.blockRows, s.columns}
	return &adapter.Description{
		Family: structure.FamilyArray, Metadata: map[string]any{"a": map[string]any{"b": int64(1)}},
		Array: &structure.Array{
			DataType: structure.DType{Kind: 'u', ItemSize: 1, Endianness: structure.NotApplicable}, Shape: shape, Chunks: structure.RegularChunks(shape, block),
		},
		Grid: ndslice.Grid{Shape: shape, Block: block},
	}, s.version(), nil
}

func (s *source) Version(context.Context, *adapter.Description, ndslice.Selection) (adapter.Version, error) {
	return s.version(), nil
}

func (s *source) BlockID(v adapter.Version, block []int64) adapter.BlockID {
	sum := sha256.Sum256(fmt.Appendf(nil, "%p %x %v", s, v.ID, block))
	return adapter.BlockID{ID: adapter.ID(sum[:16]), Trusted: v.Trusted}
}

// ReadBlock gives blocks whose bytes are the state.
func (s *source) ReadBlock(ctx context.Context, v adapter.Version, block []int64) (adapter.Block, error) {
	n := s.reads.Add(1)
	if s.onRead != nil {
		s.onRead(ctx, n)
	}
	if err := ctx.Err(); err != nil {
		return adapter.Block{}, err
	}
	if v.Pin != s.state.Load() {
		return adapter.Block{}, fmt.Errorf("fake: %w", errdef.ErrChanged)
	}
	shape := []int64{min(s.blockRows, s.rows-block[0]*s.blockRows), s.columns}
	data := make([]byte, shape[0]*shape[1])
	for i := range data {
		data[i] = byte(s.state.Load())
	}
	return adapter.Block{Data: data, Shape: shape}, nil
}

// tree is a container of what a test puts into it.
type tree map[string]adapter.Adapter

func (t tree) Describe(context.Context) (*adapter.Description, adapter.Version, error) {
	d := &adapter.Description{Family: structure.FamilyContainer, Metadata: map[string]any{}}
	for key := range t {
		d.Keys = append(d.Keys, key)
	}
	return d, adapter.Version{ID: adapter.ID{1}, Trusted: true}, nil
}

func (t tree) Child(_ context.Context, key string) (adapter.Adapter, error) {
	if a, ok := t[key]; ok {
		return a, nil
	}
	return nil, fmt.Errorf("%q: no such member: %w", key, errdef.ErrNotFound)
}

type world struct {
	options httpapi.Options
	server  *httptest.Server
}

const secret = "secret"

// serve starts a server on a tree; change may adjust its options first.
func serve(t *testing.T, root adapter.Adapter, public bool, change func(*httpapi.Options)) *world {
	t.Helper()
	policy, err := auth.New(secret, public)
	if err != nil {
		t.Fatal(err)
	}
	codings, err := coding.New(coding.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{options: httpapi.Options{
		Root: cached(t, root), Auth: policy, Flight: budget.New(64 << 20), Media: media.New(), Coding: codings, ResponseLimit: 300e6, ExactCountLimit: 100,
		ExposeRawAssets: true, Log: slog.New(slog.DiscardHandler), Version: "test",
		Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	}}
	if change != nil {
		change(&w.options)
	}
	w.server = httptest.NewServer(httpapi.New(w.options))
	t.Cleanup(w.server.Close)
	return w
}

// cached is root behind a data cache, where the environment says how large.
func cached(t *testing.T, root adapter.Adapter) adapter.Adapter {
	t.Helper()
	bytes, err := testenv.DataCacheBytes(64 << 20)
	if err != nil {
		t.Fatal(err)
	}
	if bytes == 0 {
		return root
	}
	cache, err := datacache.New(datacache.Options{Bytes: bytes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cache.Close(); err != nil {
			t.Error(err)
		}
	})
	return catalog.Through(root, cache.Wrap)
}

type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a GET with headers given as "Name: value".
func (w *world) ask(t *testing.T, path string, headers ...string) answer {
	t.Helper()
	return w.do(t, http.MethodGet, path, headers...)
}

func (w *world) do(t *testing.T, method, path string, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Add(name, value)
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		body = append(body, " [cut off]"...)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: string(body)}
}
