package server

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/internal/config"
)

// prey is something in the served folder that a writer changes all the time.
// Its state n holds nothing but the number n; parts that change each for
// themselves count for themselves.
type prey struct {
	path string // of the request
	// write makes the state n of one of the parts.
	write func(part int, n uint32) error
	parts int
	// body gives the numbers in an answer, and which part each is of.
	body func(answer []byte) (numbers []uint32, partOf func(int) int, err error)
	// whole says that the states replace each other in one step, so that a
	// mixture of two, or none, was never there.
	whole bool
	// grows says that the answer is longer with each state, and else the same.
	grows bool

	begun, done []atomic.Uint32 // states of each part
}

func (p *prey) now(of []atomic.Uint32) []uint32 {
	out := make([]uint32, len(of))
	for i := range of {
		out[i] = of[i].Load()
	}
	return out
}

// change runs until stop: it makes one state after another, mostly at once,
// and sometimes after a time in which the last is trusted.
func (p *prey) change(stop <-chan struct{}) error {
	pauses := []time.Duration{0, 0, time.Millisecond, 10 * time.Millisecond, 2 * huntTrust}
	for {
		select {
		case <-stop:
			return nil
		case <-time.After(pauses[rand.IntN(len(pauses))]):
		}
		part := rand.IntN(p.parts)
		n := p.begun[part].Add(1)
		err := p.write(part, n)
		if errors.Is(err, errEnough) {
			p.begun[part].Add(^uint32(0))
			return nil
		}
		if err != nil {
			return err
		}
		p.done[part].Store(n)
	}
}

// judge says what is wrong with an answer to a request before which the parts
// had the states low, and after which they have begun to have those in high.
// quiet says that nothing changed meanwhile.
func (p *prey) judge(body []byte, low, high []uint32, quiet bool) error {
	numbers, partOf, err := p.body(body)
	if err != nil {
		return err
	}
	if p.grows {
		if len(numbers) < int(low[0]) || len(numbers) > int(high[0]) {
			return fmt.Errorf("%d numbers, expected from %d to %d", len(numbers), low[0], high[0])
		}
		return nil
	}
	if len(numbers) == 0 {
		return errors.New("the answer is empty")
	}
	seen := make([]uint32, p.parts)
	for i, n := range numbers {
		part := partOf(i)
		if n < low[part] || n > high[part] {
			return fmt.Errorf("number %d of part %d is of state %d, expected %d to %d", i, part, n, low[part], high[part])
		}
		if seen[part] != 0 && seen[part] != n && (quiet || p.whole) {
			return fmt.Errorf("states %d and %d of part %d are mixed", seen[part], n, part)
		}
		seen[part] = n
	}
	return nil
}

// errEnough says that a prey has no more states.
var errEnough = errors.New("enough states")

// held is an answer that a reader keeps to revalidate it.
type held struct {
	tag  string
	body []byte
}

// read asks once. An answer is what was there at some time after the question.
func (p *prey) read(client *http.Client, address string, h *held) (settled bool, err error) {
	low, before := p.now(p.done), p.now(p.begun)
	r, err := http.NewRequest(http.MethodGet, "http://"+address+p.path, nil)
	if err != nil {
		return false, err
	}
	if h.tag != "" && rand.IntN(2) == 0 {
		r.Header.Set("If-None-Match", h.tag)
	}
	resp, err := client.Do(r)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	body, cut := io.ReadAll(resp.Body)
	high := p.now(p.begun)
	quiet := fmt.Sprint(low) == fmt.Sprint(before) && fmt.Sprint(low) == fmt.Sprint(high)
	switch {
	case cut != nil && quiet:
		return false, fmt.Errorf("cut off though nothing changed: %w", cut)
	case cut != nil:
		return false, nil
	case resp.StatusCode == http.StatusNotModified:
		if err := p.judge(h.body, low, high, quiet); err != nil {
			return false, fmt.Errorf("304: %w", err)
		}
		return true, nil
	case resp.StatusCode == http.StatusOK:
		if h.tag = resp.Header.Get("ETag"); h.tag != "" {
			h.body = body
		} else if resp.Header.Get("Cache-Control") != "no-store" {
			return false, fmt.Errorf("without an ETag it is %q", resp.Header.Get("Cache-Control"))
		}
		if err := p.judge(body, low, high, quiet); err != nil {
			return false, fmt.Errorf("%w (ETag %s, Cache-Status %q)", err, h.tag, resp.Header.Values("Cache-Status"))
		}
		return h.tag != "", nil
	case resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "":
		return false, nil
	case !quiet && !p.whole && (resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusUnprocessableEntity):
		return false, nil
	}
	return false, fmt.Errorf("%d %.200s", resp.StatusCode, body)
}

const (
	// huntTrust is after what age the server of the hunt trusts a file: longer
	// than the file system's clock ticks, and short, so that much is cached.
	huntTrust   = 60 * time.Millisecond
	huntReaders = 32
)

// TestNoStaleReads: files are rewritten with the same size and time, renamed
// over, cut off and grown while many read them, through both caches and with
// conditions. No answer is older than its question, none is of two states.
func TestNoStaleReads(t *testing.T) {
	dir := t.TempDir()
	c := settings()
	c.Authentication.AllowAnonymousAccess = true
	c.Own.LogLevel = "error"
	c.Trees = []config.Tree{{Tree: "directory", Path: "/", Args: config.TreeArgs{Directory: dir, Storage: config.Storage{TrustAfter: huntTrust.Seconds()}}}}
	all := preys(t, dir)
	for name, p := range all {
		p.begun, p.done = make([]atomic.Uint32, p.parts), make([]atomic.Uint32, p.parts)
		for part := range p.parts {
			p.begun[part].Store(1)
			if err := p.write(part, 1); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			p.done[part].Store(1)
		}
	}
	address, log, _ := started(t, c)
	within := 4 * time.Second
	if os.Getenv("TERRAZZO_TEST_LONG") != "" {
		within = 1 * time.Minute
	}
	var kept atomic.Int64
	stop := make(chan struct{})
	time.AfterFunc(within, func() { close(stop) })
	var hunters sync.WaitGroup
	defer hunters.Wait()
	for name, p := range all {
		hunters.Go(func() {
			if err := p.change(stop); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		var reads, settled atomic.Int64
		var readers sync.WaitGroup
		for range huntReaders / len(all) {
			readers.Go(func() { p.hunt(t, name, address, stop, &reads, &settled) })
		}
		hunters.Go(func() {
			readers.Wait()
			kept.Add(settled.Load())
			t.Logf("%s: %d states, %d reads, %d of them with a validator", name, p.done[0].Load(), reads.Load(), settled.Load())
		})
	}
	hunters.Wait()
	if kept.Load() == 0 {
		t.Error("nothing was ever trusted, so the caches were not tried")
	}
	if text := log.String(); strings.Contains(text, "level=ERROR") {
		t.Errorf("log:\n%.5000s", text)
	}
}

func (p *prey) hunt(t *testing.T, name, address string, stop <-chan struct{}, reads, settled *atomic.Int64) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	var h held
	for {
		select {
		case <-stop:
			return
		default:
		}
		trusted, err := p.read(client, address, &h)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		reads.Add(1)
		if trusted {
			settled.Add(1)
		}
	}
}

// preyRows are enough that an array has several blocks.
const preyRows, preyColumns = 768, 1024

func npyOf(n uint32, rows int) []byte {
	header := fmt.Sprintf("{'descr': '<u4', 'fortran_order': False, 'shape': (%d, %d), }", rows, preyColumns)
	text := fmt.Appendf(nil, "\x93NUMPY\x01\x00\x76\x00%-117s\n", header)
	return append(text, bytes.Repeat(binary.LittleEndian.AppendUint32(nil, n), rows*preyColumns)...)
}

func numbersOf(body []byte) ([]uint32, func(int) int, error) {
	if len(body) > 4 && bytes.Equal(body[4:], body[:len(body)-4]) {
		body = body[:4] // all the same
	}
	out := make([]uint32, len(body)/4)
	for i := range out {
		out[i] = binary.LittleEndian.Uint32(body[4*i:])
	}
	return out, func(int) int { return 0 }, nil
}

// sameTime writes over a file in place and gives it the time that it had.
func sameTime(name string, data []byte) error {
	old := time.Unix(1e9, 0)
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close(), os.Chtimes(name, old, old))
}

// renamed writes a new file and puts it in the place of the old one.
func renamed(name string, data []byte) error {
	other := filepath.Join(filepath.Dir(name), ".new-"+filepath.Base(name))
	if err := os.WriteFile(other, data, 0o600); err != nil {
		return err
	}
	return os.Rename(other, name)
}

func preys(t *testing.T, dir string) map[string]*prey {
	t.Helper()
	at := func(name string) string { return filepath.Join(dir, name) }
	full := func(name string) string { return "/api/v1/array/full/" + name }
	store, scan := at("chunks.zarr"), at("scan")
	if err := errors.Join(os.Mkdir(store, 0o700), os.Mkdir(scan, 0o700)); err != nil {
		t.Fatal(err)
	}
	meta := `{"zarr_format": 2, "shape": [1024, 256], "chunks": [256, 256], "dtype": "<u4", "compressor": null, "fill_value": 0, "order": "C", "filters": null}`
	if err := os.WriteFile(filepath.Join(store, ".zarray"), []byte(meta), 0o600); err != nil {
		t.Fatal(err)
	}
	const chunk = 256 * 256 * 4
	chunks := func(body []byte) (numbers []uint32, part func(int) int, err error) {
		var parts []int
		for i := 0; len(body) >= chunk; i++ {
			of, _, _ := numbersOf(body[:chunk])
			numbers, parts, body = append(numbers, of...), append(parts, slices.Repeat([]int{i}, len(of))...), body[chunk:]
		}
		return numbers, func(i int) int { return parts[i] }, nil
	}
	return map[string]*prey{
		"renamed":   {path: full("renamed"), parts: 1, whole: true, body: numbersOf, write: func(_ int, n uint32) error { return renamed(at("renamed.npy"), npyOf(n, preyRows)) }},
		"overwrite": {path: full("overwrite"), parts: 1, body: numbersOf, write: func(_ int, n uint32) error { return sameTime(at("overwrite.npy"), npyOf(n, preyRows)) }},
		"cut off": {path: full("cut") + "?slice=::3", parts: 1, body: numbersOf, write: func(_ int, n uint32) error {
			return os.WriteFile(at("cut.npy"), npyOf(n, preyRows/2+int(n%7)), 0o600)
		}},
		"gone": {path: full("gone"), parts: 1, body: numbersOf, write: func(_ int, n uint32) error {
			if err := os.Remove(at("gone.npy")); err != nil && n > 1 {
				return err
			}
			return renamed(at("gone.npy"), npyOf(n, 16))
		}},
		"chunks": {path: full("chunks"), parts: 4, whole: true, body: chunks, write: func(part int, n uint32) error {
			return renamed(filepath.Join(store, strconv.Itoa(part)+".0"), bytes.Repeat(binary.LittleEndian.AppendUint32(nil, n), 256*256))
		}},
		"sequence": {path: full("scan/frame") + "?slice=:,0,0", parts: 1, whole: true, grows: true, body: frames, write: func(_ int, n uint32) error {
			if n > 900 { // larger folders are read again a moment later only
				return errEnough
			}
			return renamed(filepath.Join(scan, fmt.Sprintf("frame%d.npy", n)), npyOf(n, 2))
		}},
		"csv grows": {path: "/api/v1/table/full/growing?format=csv", parts: 1, grows: true, body: csvRows, write: func(_ int, n uint32) error {
			f, err := os.OpenFile(at("growing.csv"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
			if err != nil {
				return err
			}
			line := fmt.Sprintf("%d,text\n", n)
			if n == 1 {
				line = "number,text\n" + line
			}
			_, err = f.WriteString(line)
			return errors.Join(err, f.Close())
		}},
		"csv": {path: "/api/v1/table/full/edited?format=csv", parts: 1, body: csvNumbers, write: func(_ int, n uint32) error {
			return sameTime(at("edited.csv"), []byte("number\n"+strings.Repeat(fmt.Sprintf("%d\n", n), 2000+int(n))))
		}},
	}
}

// frames are the numbers of a sequence's frames, of which each has its own.
func frames(body []byte) ([]uint32, func(int) int, error) {
	var out []uint32
	for ; len(body) >= 4; body = body[4:] {
		if out = append(out, binary.LittleEndian.Uint32(body)); int(out[len(out)-1]) != len(out) {
			return nil, nil, fmt.Errorf("frame %d holds %d", len(out), out[len(out)-1])
		}
	}
	return out, nil, nil
}

// csvNumbers are the numbers in the first column of a table of CSV.
func csvNumbers(body []byte) ([]uint32, func(int) int, error) {
	lines := strings.Split(strings.TrimSpace(string(body)), "\n")
	var out []uint32
	for _, line := range lines[1:] {
		first, _, _ := strings.Cut(strings.TrimSpace(line), ",")
		n, err := strconv.ParseUint(first, 10, 32)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, uint32(n))
	}
	return out, func(int) int { return 0 }, nil
}

// csvRows is csvNumbers for rows that are numbered.
func csvRows(body []byte) ([]uint32, func(int) int, error) {
	numbers, part, err := csvNumbers(body)
	for i, n := range numbers {
		if int(n) != i+1 {
			return nil, nil, fmt.Errorf("row %d holds %d", i+1, n)
		}
	}
	return numbers, part, err
}
