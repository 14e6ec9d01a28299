package respcache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/terrazzo-data/terrazzo/internal/respcache"
)

// crowd sends n equal requests at once and waits for all answers.
func crowd(t *testing.T, h http.Handler, n int, fields func(i int) []string) []*httptest.ResponseRecorder {
	t.Helper()
	out := make([]*httptest.ResponseRecorder, n)
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() { out[i] = ask(t, h, "GET", "http://h/a", fields(i)...) })
	}
	wait.Wait()
	return out
}

func nobody(int) []string { return nil }

// slowly makes a handler take a second, so that a crowd gathers.
func slowly(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Second)
		h(w, r)
	}
}

// TestStampede: a hundred at once, cold and on an expired object, cost one each (httpd
// and HAProxy send all hundred on).
func TestStampede(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		c := newCache(t, count(&calls, slowly(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Etag", `"1"`)
			if r.Header.Get("If-None-Match") != "" {
				w.Header().Set("Cache-Control", "max-age=60")
				w.WriteHeader(http.StatusNotModified)
				return
			}
			cacheable(w, r)
		})), nil)
		for round := range 3 {
			for _, w := range crowd(t, c, 100, nobody) {
				if w.Code != 200 || w.Body.String() != "body of /a" {
					t.Fatalf("round %d: %d %q", round, w.Code, w.Body)
				}
			}
			wantCalls(t, &calls, int64(round+1))
			time.Sleep(61 * time.Second)
		}
		if got := c.Stats(); got.Collapsed != 3*99 {
			t.Errorf("collapsed %d, want %d", got.Collapsed, 3*99)
		}
	})
}

// TestStampedeUncacheable: those who may not share do not wait for each other either
// (nginx answers one a second).
func TestStampedeUncacheable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		c := newCache(t, count(&calls, slowly(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			_, _ = w.Write([]byte("mine"))
		})), nil)
		for round := range 2 {
			start := time.Now()
			crowd(t, c, 100, nobody)
			// The first crowd waits for the one whose answer shows that it cannot be shared;
			// the second remembers.
			if took, most := time.Since(start), time.Duration(2-round)*time.Second; took > most {
				t.Errorf("round %d took %v, want %v", round, took, most)
			}
		}
		wantCalls(t, &calls, 200)
		time.Sleep(time.Minute)
	})
}

// TestStampedeOfUsers: law 9 under a stampede. The work is done once; each is asked for.
func TestStampedeOfUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var encodes, asked, refused atomic.Int64
		api := validated(&encodes)
		c := newCache(t, func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			if r.Header.Get("Authorization") == "Bearer 7" {
				refused.Add(1)
				w.WriteHeader(http.StatusForbidden)
				return
			}
			if r.Header.Get("If-None-Match") == "" {
				time.Sleep(time.Second)
			}
			api(w, r)
		}, nil)
		who := func(i int) []string { return []string{"Authorization", fmt.Sprint("Bearer ", i)} }
		for i, w := range crowd(t, c, 50, who) {
			want := "encoded"
			if i == 7 {
				want = ""
			}
			if w.Body.String() != want {
				t.Errorf("user %d: %d %q", i, w.Code, w.Body)
			}
		}
		if encodes.Load() > 2 || refused.Load() == 0 || asked.Load() < 50 {
			t.Errorf("%d encodes, %d refused, %d asked: want 1 (or 2, if the refused one led), some, 50 or more", encodes.Load(), refused.Load(), asked.Load())
		}
	})
}

// TestChangedUnderACrowd: all hold the old version, each asks with its own credentials,
// and the new one is produced once.
func TestChangedUnderACrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var produced atomic.Int64
		version := atomic.Int64{}
		version.Store(1)
		c := newCache(t, func(w http.ResponseWriter, r *http.Request) {
			tag := fmt.Sprintf(`"%d"`, version.Load())
			w.Header().Set("Etag", tag)
			w.Header().Set("Terrazzo-Cache-Control", "public, no-cache")
			if r.Header.Get("If-None-Match") == tag {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			w.WriteHeader(http.StatusOK)
			time.Sleep(time.Second)
			if n, err := w.Write([]byte("body " + tag)); err == nil && n > 0 {
				produced.Add(1)
			}
		}, nil)
		who := func(i int) []string { return []string{"Authorization", fmt.Sprint("Bearer ", i)} }
		crowd(t, c, 1, who)
		version.Store(2)
		for i, w := range crowd(t, c, 50, who) {
			if w.Body.String() != `body "2"` {
				t.Errorf("user %d: %d %q", i, w.Code, w.Body)
			}
		}
		wantCalls(t, &produced, 2)
	})
}

// leaver asks and goes away when told.
func leaver(t *testing.T, h http.Handler) (leave func(), gone <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		serve(t, h, httptest.NewRequest(http.MethodGet, "http://h/a", http.NoBody).WithContext(ctx))
	}()
	return cancel, done
}

// TestLeaderLeaves: hazard H1. The work goes on while anybody waits (law 7).
func TestLeaderLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		c := newCache(t, count(&calls, slowly(cacheable)), nil)
		leave, _ := leaver(t, c)
		synctest.Wait()
		var follower *httptest.ResponseRecorder
		done := make(chan struct{})
		go func() { defer close(done); follower = ask(t, c, "GET", "http://h/a") }()
		synctest.Wait()
		leave()
		<-done
		if follower.Code != 200 || follower.Body.String() != "body of /a" {
			t.Errorf("follower got %d %q", follower.Code, follower.Body)
		}
		wantCalls(t, &calls, 1)
	})
}

// TestFollowerLeaves: hazard H2, a waiter's own deadline counts.
func TestFollowerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, slowly(cacheable), nil)
		_, leader := leaver(t, c)
		synctest.Wait()
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		serve(t, c, httptest.NewRequest(http.MethodGet, "http://h/a", http.NoBody).WithContext(ctx))
		if took := time.Since(start); took > 100*time.Millisecond {
			t.Errorf("left after %v", took)
		}
		<-leader
		if got := c.Stats(); got.Stored != 1 {
			t.Errorf("stats %+v", got)
		}
	})
}

// TestAllLeave: the last to leave cancels the work, and nothing is stored.
func TestAllLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cancelled := make(chan struct{})
		c := newCache(t, func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			close(cancelled)
		}, nil)
		leave, first := leaver(t, c)
		synctest.Wait()
		leave2, second := leaver(t, c)
		synctest.Wait()
		leave()
		synctest.Wait()
		select {
		case <-cancelled:
			t.Error("cancelled while one still waits")
		default:
		}
		leave2()
		<-cancelled
		<-first
		<-second
		if got := c.Stats(); got.Stored != 0 || got.InFlight != 0 {
			t.Errorf("stats %+v", got)
		}
	})
}

// TestStreaming: waiters get bytes before the body is complete, and a reader that
// stalls holds up nobody (Squid, ATS).
func TestStreaming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		step := make(chan struct{})
		c := newCache(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			for i := range 3 {
				_, _ = w.Write(bytes.Repeat([]byte{byte('a' + i)}, 100_000))
				<-step
			}
		}, nil)
		stalled := &stall{ResponseRecorder: httptest.NewRecorder(), release: make(chan struct{})}
		var wait sync.WaitGroup
		wait.Go(func() { c.ServeHTTP(stalled, httptest.NewRequest(http.MethodGet, "http://h/a", http.NoBody)) })
		synctest.Wait()
		readers := []*httptest.ResponseRecorder{httptest.NewRecorder(), httptest.NewRecorder()}
		for _, w := range readers {
			wait.Go(func() { c.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://h/a", http.NoBody)) })
		}
		for piece := range 3 {
			synctest.Wait()
			for i, w := range readers {
				if got := w.Body.Len(); got != (piece+1)*100_000 {
					t.Errorf("reader %d has %d bytes after piece %d", i, got, piece)
				}
			}
			step <- struct{}{}
		}
		synctest.Wait()
		if got := c.Stats(); got.Stored != 1 || got.InFlight == 0 {
			t.Errorf("with one reader stalled: %+v", got)
		}
		close(stalled.release)
		wait.Wait()
		if got := c.Stats(); stalled.Body.Len() != 300_000 || got.InFlight != 0 {
			t.Errorf("stalled reader got %d bytes; %+v", stalled.Body.Len(), got)
		}
	})
}

// stall is a client that takes nothing until it is released.
type stall struct {
	*httptest.ResponseRecorder
	release chan struct{}
}

func (s *stall) Write(p []byte) (int, error) {
	<-s.release
	return s.ResponseRecorder.Write(p)
}

// TestAborted: a body that ends early is never stored, and all who read it see it break.
func TestAborted(t *testing.T) {
	for name, end := range map[string]func(http.ResponseWriter){
		"panic":       func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"other panic": func(http.ResponseWriter) { panic("bug") },
		"short":       func(http.ResponseWriter) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int64
				c := newCache(t, count(&calls, slowly(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Cache-Control", "max-age=60")
					w.Header().Set("Content-Length", "100000")
					_, _ = w.Write(make([]byte, 60_000))
					time.Sleep(time.Second)
					end(w)
				})), nil)
				for i, w := range crowd(t, c, 5, nobody) {
					if w.Code != 0 {
						t.Errorf("asker %d was not cut off: %d, %d bytes", i, w.Code, w.Body.Len())
					}
				}
				wantCalls(t, &calls, 1)
				if got := c.Stats(); got.Stored != 0 || got.InFlight != 0 {
					t.Errorf("stats %+v", got)
				}
			})
		})
	}
}

// TestFailureOnce: an error goes once to all who waited, and is not kept (hazard H3).
func TestFailureOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		c := newCache(t, count(&calls, slowly(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte("secret of " + r.Header.Get("Authorization")))
		})), nil)
		who := func(i int) []string { return []string{"Authorization", []string{"a", "b"}[i%2]} }
		for i, w := range crowd(t, c, 50, who) {
			if w.Code != 503 || strings.Contains(w.Body.String(), "secret of "+who(i + 1)[1]) {
				t.Errorf("asker %d: %d %q", i, w.Code, w.Body)
			}
		}
		wantCalls(t, &calls, 1)
		ask(t, c, "GET", "http://h/a")
		wantCalls(t, &calls, 2)
	})
}

// TestNoHeadAtAll: hazard H4, whatever the handler does, everybody is answered.
func TestNoHeadAtAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, slowly(func(http.ResponseWriter, *http.Request) { panic(errors.New("bug")) }), nil)
		for i, w := range crowd(t, c, 5, nobody) {
			if w.Code != 0 {
				t.Errorf("asker %d: %d", i, w.Code)
			}
		}
	})
}

// TestLargeBodies pass through: known to be too large, and found to be.
func TestLargeBodies(t *testing.T) {
	const limit = 1 << 20
	for _, stated := range []bool{true, false} {
		var calls atomic.Int64
		body := bytes.Repeat([]byte("0123456789abcdef"), 3*limit/16)
		c := newCache(t, count(&calls, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			if stated {
				w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			}
			for off := 0; off < len(body); off += 1 << 16 {
				_, _ = w.Write(body[off : off+1<<16])
			}
		}), func(o *respcache.Options) { o.MaxBody = limit })
		for range 2 {
			if w := ask(t, c, "GET", "http://h/a"); !bytes.Equal(w.Body.Bytes(), body) {
				t.Errorf("stated %v: %d bytes of %d", stated, w.Body.Len(), len(body))
			}
		}
		wantCalls(t, &calls, 2)
		if got := c.Stats(); got.Stored != 0 || got.InFlight != 0 {
			t.Errorf("stated %v: %+v", stated, got)
		}
	}
}

// TestFlightBudget: bodies in flight are bounded; what finds no room is not kept.
func TestFlightBudget(t *testing.T) {
	c := newCache(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Content-Length", "50000")
		_, _ = w.Write(make([]byte, 50_000))
	}, func(o *respcache.Options) { o.FlightBytes = 10_000 })
	if w := ask(t, c, "GET", "http://h/a"); w.Body.Len() != 50_000 {
		t.Errorf("%d bytes", w.Body.Len())
	}
	if got := c.Stats(); got.Stored != 0 || got.InFlight != 0 {
		t.Errorf("stats %+v", got)
	}
}

// TestPurgeDuringFetch: what was purged while it was being fetched is not put back, and
// nobody who comes after the purge gets it from those who fetch it still.
func TestPurgeDuringFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gets, version atomic.Int64
		c := newCache(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut {
				version.Add(1)
				return
			}
			gets.Add(1)
			now := version.Load()
			time.Sleep(time.Second)
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = fmt.Fprint(w, "version ", now)
		}, nil)
		_, done := leaver(t, c)
		synctest.Wait()
		ask(t, c, "PUT", "http://h/a")
		for i, w := range crowd(t, c, 20, nobody) {
			if w.Body.String() != "version 1" {
				t.Errorf("asker %d, after the write: %q", i, w.Body)
			}
		}
		<-done
		if got := ask(t, c, "GET", "http://h/a").Body.String(); got != "version 1" {
			t.Errorf("later: %q", got)
		}
		wantCalls(t, &gets, 2)
	})
}

// TestStaleWhileRevalidate: RFC 5861 §3.
func TestStaleWhileRevalidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		c := newCache(t, count(&calls, slowly(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=10, stale-while-revalidate=60")
			_, _ = fmt.Fprint(w, calls.Load())
		})), nil)
		ask(t, c, "GET", "http://h/a")
		time.Sleep(20 * time.Second)
		start := time.Now()
		for i, w := range crowd(t, c, 10, nobody) {
			if w.Body.String() != "1" {
				t.Errorf("asker %d got %q", i, w.Body)
			}
		}
		if took := time.Since(start); took > 0 {
			t.Errorf("the stale answer took %v", took)
		}
		time.Sleep(2 * time.Second)
		if got := ask(t, c, "GET", "http://h/a").Body.String(); got != "2" {
			t.Errorf("after the refresh: %q", got)
		}
		wantCalls(t, &calls, 2)
	})
}

// TestDeadOrigin: stale-if-error, of the response or of the operator, and offline.
func TestDeadOrigin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead, offline := atomic.Bool{}, atomic.Bool{}
		var calls atomic.Int64
		c := newCache(t, count(&calls, func(w http.ResponseWriter, r *http.Request) {
			if dead.Load() {
				if r.URL.Path == "/cut" {
					panic(http.ErrAbortHandler)
				}
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			w.Header().Set("Cache-Control", "max-age=10, stale-if-error=60")
			_, _ = w.Write([]byte("good"))
		}), func(o *respcache.Options) { o.Offline = offline.Load })
		for _, path := range []string{"/a", "/cut"} {
			ask(t, c, "GET", "http://h"+path)
		}
		dead.Store(true)
		time.Sleep(20 * time.Second)
		wantStatus(t, ask(t, c, "GET", "http://h/a"), "terrazzo; fwd=stale; fwd-status=502; detail=stale-if-error")
		wantStatus(t, ask(t, c, "GET", "http://h/cut"), "terrazzo; fwd=stale; detail=stale-if-error")
		time.Sleep(60 * time.Second)
		if w := ask(t, c, "GET", "http://h/a"); w.Code != 502 {
			t.Errorf("after its time: %d", w.Code)
		}
		offline.Store(true)
		before := calls.Load()
		wantStatus(t, ask(t, c, "GET", "http://h/a"), "terrazzo; hit; ttl=-70; detail=offline")
		for _, r := range []*http.Request{httptest.NewRequest(http.MethodGet, "http://h/never", http.NoBody), httptest.NewRequest(http.MethodPut, "http://h/a", http.NoBody)} {
			if w := serve(t, c, r); w.Code != 504 || w.Header().Get("Content-Type") != "application/json" || !strings.Contains(w.Body.String(), `"detail"`) {
				t.Errorf("%s offline: %d %v %q", r.Method, w.Code, w.Header(), w.Body)
			}
		}
		wantCalls(t, &calls, before)
	})
}

// TestInterimAndTrailers reach the one who caused the work.
func TestInterimAndTrailers(t *testing.T) {
	c := newCache(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</s>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Trailer", "Sum")
		_, _ = w.Write(make([]byte, 100_000))
		w.Header().Set("Sum", "7")
	}, nil)
	server := httptest.NewServer(c)
	defer server.Close()
	for i, want := range []string{"7", ""} {
		r, err := server.Client().Get(server.URL + "/a")
		if err != nil {
			t.Fatal(err)
		}
		body := new(bytes.Buffer)
		_, _ = body.ReadFrom(r.Body)
		_ = r.Body.Close()
		if r.Trailer.Get("Sum") != want || body.Len() != 100_000 || r.Header.Get("Link") != "" {
			t.Errorf("answer %d: trailer %q, %d bytes, %v", i, r.Trailer.Get("Sum"), body.Len(), r.Header)
		}
	}
}

// TestStrict: with an inner handler that confirms in no time, nobody gets what was
// asked for before they came, though the body is still fetched once.
func TestStrict(t *testing.T) {
	for _, warm := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			state, full := "1", 0
			var mu sync.Mutex
			c := newCache(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				now := state
				same := r.Header.Get("If-None-Match") == `"`+now+`"`
				if !same {
					full++
				}
				mu.Unlock()
				w.Header().Set("Cache-Control", "no-cache")
				w.Header().Set("Etag", `"`+now+`"`)
				if same {
					w.WriteHeader(http.StatusNotModified)
					return
				}
				_, _ = w.Write([]byte("state "))
				time.Sleep(time.Second)
				_, _ = w.Write([]byte(now))
			}), func(o *respcache.Options) { o.Strict = true })
			if warm {
				ask(t, c, "GET", "http://h/a")
				state, full = "2", 0
			}
			var all sync.WaitGroup
			want := state
			all.Go(func() { ask(t, c, "GET", "http://h/a") })
			time.Sleep(100 * time.Millisecond)
			all.Go(func() {
				if w := ask(t, c, "GET", "http://h/a"); w.Body.String() != "state "+want {
					t.Errorf("nothing changed: %q", w.Body)
				}
			})
			synctest.Wait()
			if mu.Lock(); full != 1 {
				t.Errorf("%d bodies were asked for, want 1", full)
			}
			state = "3"
			mu.Unlock()
			all.Go(func() {
				if w := ask(t, c, "GET", "http://h/a"); w.Body.String() != "state 3" {
					t.Errorf("asked after the change, got %q", w.Body)
				}
			})
			all.Wait()
		})
	}
}
