package rfc9111_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/terrazzo-data/terrazzo/httpcache/rfc9111"
)

// base is when every response of these tests was asked for and received.
var base = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// head builds a header from "Name: value" lines; Date is base unless given.
func head(lines ...string) http.Header {
	h := http.Header{"Date": {at(0)}}
	seen := map[string]bool{}
	for i := 0; i+1 < len(lines); i += 2 {
		name := http.CanonicalHeaderKey(lines[i])
		if !seen[name] {
			h.Del(name)
			seen[name] = true
		}
		h.Add(name, lines[i+1])
	}
	return h
}

// at is the HTTP-date some seconds from base.
func at(seconds int) string {
	return base.Add(time.Duration(seconds) * time.Second).Format(http.TimeFormat)
}

var (
	shared    = rfc9111.Policy{Shared: true, Targets: []string{"Terrazzo-Cache-Control", "Cdn-Cache-Control"}}
	private   = rfc9111.Policy{}
	guessing  = rfc9111.Policy{Shared: true, Heuristic: true}
	forgiving = rfc9111.Policy{Shared: true, StaleIfError: time.Minute}
)

// TestReuse has a row for each rule about using what is stored.
func TestReuse(t *testing.T) {
	tests := []struct {
		rule    string
		policy  rfc9111.Policy
		request []string
		stored  []string
		after   int
		want    rfc9111.Action
		reason  rfc9111.Reason
	}{
		{"9111 §4.2: fresh is served", shared, nil, []string{"Cache-Control", "max-age=60"}, 59, rfc9111.Serve, rfc9111.ReasonFresh},
		{"§4.2: fresh means lifetime > age", shared, nil, []string{"Cache-Control", "max-age=60"}, 60, rfc9111.Revalidate, rfc9111.ReasonStale},
		{"§4.2.1: s-maxage first in a shared cache", shared, nil, []string{"Cache-Control", "max-age=1, s-maxage=60"}, 30, rfc9111.Serve, rfc9111.ReasonFresh},
		{"§4.2.1: and not in a private one", private, nil, []string{"Cache-Control", "max-age=1, s-maxage=60"}, 30, rfc9111.Revalidate, rfc9111.ReasonStale},
		{"§5.2.2.10: s-maxage forbids stale", shared, []string{"Cache-Control", "max-stale"}, []string{"Cache-Control", "s-maxage=1"}, 5, rfc9111.Revalidate, rfc9111.ReasonMustRevalidate},
		{"§4.2.1: max-age before Expires", shared, nil, []string{"Cache-Control", "max-age=60", "Expires", at(-100)}, 30, rfc9111.Serve, rfc9111.ReasonFresh},
		{"§4.2.1: Expires less Date", shared, nil, []string{"Expires", at(60)}, 30, rfc9111.Serve, rfc9111.ReasonFresh},
		{"§5.3: Expires: 0 is past", shared, nil, []string{"Expires", "0"}, 0, rfc9111.Revalidate, rfc9111.ReasonStale},
		{"§4.2.1: of two values the shorter", shared, nil, []string{"Cache-Control", "max-age=60, max-age=1"}, 30, rfc9111.Revalidate, rfc9111.ReasonStale},
		{"§4.2.1: also on two lines", shared, nil, []string{"Cache-Control", "max-age=1", "Cache-Control", "max-age=60"}, 30, rfc9111.Revalidate, rfc9111.ReasonStale},
		{"§1.2.2: too large is 2^31", shared, nil, []string{"Cache-Control", "max-age=99999999999999999999"}, 1 << 30, rfc9111.Serve, rfc9111.ReasonFresh},
		{"§1.2.2: leading zeros", shared, nil, []string{"Cache-Control", "max-age=0060"}, 30, rfc9111.Serve, rfc9111.ReasonFresh},
		{"§4.2.1: not a number is stale", shared, nil, []string{"Cache-Control", "max-age='60'"}, 0, rfc9111.Revalidate, rfc9111.ReasonStale},
		{"§5.2: names in any case", shared, nil, []string{"Cache-Control", "MaX-aGe=60"}, 30, rfc9111.Serve, rfc9111.ReasonFresh},
		{"§5.2: a quoted string hides its text", shared, nil, []string{"Cache-Control", `x="a\", max-age=60", max-age=1`}, 30, rfc9111.Revalidate, rfc9111.ReasonStale},
		{"§4.2.3: Age counts", shared, nil, []string{"Cache-Control", "max-age=60", "Age", "40"}, 30, rfc9111.Revalidate, rfc9111.ReasonStale},
		{"§5.1: the first Age counts", shared, nil, []string{"Cache-Control", "max-age=60", "Age", "0, 7200"}, 30, rfc9111.Serve, rfc9111.ReasonFresh},
		{"§5.1: an Age that is none is ignored", shared, nil, []string{"Cache-Control", "max-age=60", "Age", "-7200"}, 30, rfc9111.Serve, rfc9111.ReasonFresh},
		{"§5.1: a parameter does not make it young", shared, nil, []string{"Cache-Control", "max-age=60", "Age", "7200;x=1"}, 30, rfc9111.Revalidate, rfc9111.ReasonStale},
		{"§4.2.3: apparent age", shared, nil, []string{"Cache-Control", "max-age=60", "Date", at(-50)}, 30, rfc9111.Revalidate, rfc9111.ReasonStale},
		{"§4.2.2: no heuristic unless asked for", shared, nil, []string{"Last-Modified", at(-86400)}, 1, rfc9111.Revalidate, rfc9111.ReasonStale},
		{"§4.2.2: a tenth of the time since", guessing, nil, []string{"Last-Modified", at(-1000)}, 99, rfc9111.Serve, rfc9111.ReasonFresh},
		{"§4.2.2: and no more", guessing, nil, []string{"Last-Modified", at(-1000)}, 100, rfc9111.Revalidate, rfc9111.ReasonStale},
		{"§5.2.2.4: no-cache asks though fresh", shared, nil, []string{"Cache-Control", "max-age=60, No-Cache"}, 1, rfc9111.Revalidate, rfc9111.ReasonNoCache},
		{"§5.2.1.4: request no-cache", shared, []string{"Cache-Control", "no-cache"}, []string{"Cache-Control", "max-age=60"}, 1, rfc9111.Revalidate, rfc9111.ReasonRequestNoCache},
		{"§5.4: Pragma stands in", shared, []string{"Pragma", "no-cache"}, []string{"Cache-Control", "max-age=60"}, 1, rfc9111.Revalidate, rfc9111.ReasonRequestNoCache},
		{"§5.4: but not beside Cache-Control", shared, []string{"Pragma", "no-cache", "Cache-Control", "max-age=9"}, []string{"Cache-Control", "max-age=60"}, 1, rfc9111.Serve, rfc9111.ReasonFresh},
		{"§5.2.1.5: request no-store", shared, []string{"Cache-Control", "no-store"}, []string{"Cache-Control", "max-age=60"}, 1, rfc9111.Forward, rfc9111.ReasonRequestNoStore},
		{"§5.2.1.1: request max-age", shared, []string{"Cache-Control", "max-age=5"}, []string{"Cache-Control", "max-age=60"}, 6, rfc9111.Revalidate, rfc9111.ReasonRequestMaxAge},
		{"§5.2.1.1: request max-age=0 at once", shared, []string{"Cache-Control", "max-age=0"}, []string{"Cache-Control", "max-age=60"}, 0, rfc9111.Revalidate, rfc9111.ReasonRequestMaxAge},
		{"§5.2.1.3: min-fresh", shared, []string{"Cache-Control", "min-fresh=10"}, []string{"Cache-Control", "max-age=60"}, 51, rfc9111.Revalidate, rfc9111.ReasonRequestMinFresh},
		{"§5.2.1.2: max-stale", shared, []string{"Cache-Control", "max-stale=10"}, []string{"Cache-Control", "max-age=60"}, 70, rfc9111.Serve, rfc9111.ReasonRequestMaxStale},
		{"§5.2.1.2: and its limit", shared, []string{"Cache-Control", "max-stale=10"}, []string{"Cache-Control", "max-age=60"}, 71, rfc9111.Revalidate, rfc9111.ReasonStale},
		{"§5.2.2.2: must-revalidate over max-stale", shared, []string{"Cache-Control", "max-stale"}, []string{"Cache-Control", "max-age=1, must-revalidate"}, 5, rfc9111.Revalidate, rfc9111.ReasonMustRevalidate},
		{"§5.2.2.8: proxy-revalidate in a shared cache", shared, []string{"Cache-Control", "max-stale"}, []string{"Cache-Control", "max-age=1, proxy-revalidate"}, 5, rfc9111.Revalidate, rfc9111.ReasonMustRevalidate},
		{"§5.2.2.8: not in a private one", private, []string{"Cache-Control", "max-stale"}, []string{"Cache-Control", "max-age=1, proxy-revalidate"}, 5, rfc9111.Serve, rfc9111.ReasonRequestMaxStale},
		{"5861 §3: stale-while-revalidate", shared, nil, []string{"Cache-Control", "max-age=1, stale-while-revalidate=10"}, 11, rfc9111.ServeAndRevalidate, rfc9111.ReasonStaleWhileRevalidate},
		{"5861 §3: and its window", shared, nil, []string{"Cache-Control", "max-age=1, stale-while-revalidate=10"}, 12, rfc9111.Revalidate, rfc9111.ReasonStale},
		{"8246 §2: a reload does not ask", shared, []string{"Cache-Control", "max-age=0"}, []string{"Cache-Control", "max-age=60, immutable"}, 5, rfc9111.Serve, rfc9111.ReasonImmutable},
		{"8246 §2: no-cache does", shared, []string{"Cache-Control", "no-cache"}, []string{"Cache-Control", "max-age=60, immutable"}, 5, rfc9111.Revalidate, rfc9111.ReasonRequestNoCache},
		{"8246 §2: stale is stale", shared, nil, []string{"Cache-Control", "max-age=60, immutable"}, 60, rfc9111.Revalidate, rfc9111.ReasonStale},
		{"9213 §2.2: the targeted field decides", shared, nil, []string{"Cache-Control", "max-age=1", "CDN-Cache-Control", "max-age=60"}, 30, rfc9111.Serve, rfc9111.ReasonFresh},
		{"9213 §2.2: Expires too is ignored", shared, nil, []string{"Expires", at(60), "CDN-Cache-Control", "max-age=0"}, 0, rfc9111.Revalidate, rfc9111.ReasonStale},
		{"9213 §2.1: the first of the list wins", shared, nil, []string{"CDN-Cache-Control", "max-age=0", "Terrazzo-Cache-Control", "max-age=60"}, 30, rfc9111.Serve, rfc9111.ReasonFresh},
		{"9213 §2.1: not a Structured Field: ignored", shared, nil, []string{"Cache-Control", "max-age=1", "CDN-Cache-Control", "max-age=60, &&"}, 30, rfc9111.Revalidate, rfc9111.ReasonStale},
		{"9213 §2.1: upper case is no key", shared, nil, []string{"Cache-Control", "max-age=1", "CDN-Cache-Control", "MaX-aGe=60"}, 30, rfc9111.Revalidate, rfc9111.ReasonStale},
		{"9213 §2.1: of the wrong type: dropped", shared, nil, []string{"CDN-Cache-Control", `max-age="60"`}, 0, rfc9111.Revalidate, rfc9111.ReasonStale},
		{"9213 §2.2: empty is absent", shared, nil, []string{"Cache-Control", "max-age=60", "CDN-Cache-Control", ""}, 30, rfc9111.Serve, rfc9111.ReasonFresh},
		{"9213: bare words need no full parse", shared, nil, []string{"Cache-Control", "max-age=60", "Terrazzo-Cache-Control", "public, no-cache"}, 1, rfc9111.Revalidate, rfc9111.ReasonNoCache},
		{"9213: a private cache has no targets", private, nil, []string{"CDN-Cache-Control", "max-age=60"}, 1, rfc9111.Revalidate, rfc9111.ReasonStale},
	}
	for _, test := range tests {
		t.Run(test.rule, func(t *testing.T) {
			q := rfc9111.ParseRequest(http.MethodGet, request(test.request...))
			s := test.policy.Parse(200, head(test.stored...), base, base)
			got := test.policy.Reuse(&q, &s, base.Add(time.Duration(test.after)*time.Second))
			if got.Action != test.want || got.Reason != test.reason {
				t.Errorf("action %d because of %q, want %d because of %q", got.Action, got.Reason, test.want, test.reason)
			}
		})
	}
}

func request(lines ...string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(lines); i += 2 {
		h.Add(lines[i], lines[i+1])
	}
	return h
}

// TestStorable has a row for each rule about keeping a response.
func TestStorable(t *testing.T) {
	tests := []struct {
		rule     string
		policy   rfc9111.Policy
		method   string
		request  []string
		status   int
		response []string
		want     rfc9111.Reason
	}{
		{"§3: a lifetime", shared, "GET", nil, 200, []string{"Cache-Control", "max-age=1"}, rfc9111.ReasonNone},
		{"§3: a validator will do", shared, "GET", nil, 200, []string{"ETag", "abc"}, rfc9111.ReasonNone},
		{"§3: neither is of no use", shared, "GET", nil, 200, nil, rfc9111.ReasonUseless},
		{"§3: GET only", shared, "POST", nil, 200, []string{"Cache-Control", "max-age=1"}, rfc9111.ReasonMethod},
		{"§3: final only", shared, "GET", nil, 103, []string{"Cache-Control", "max-age=1"}, rfc9111.ReasonStatusCode},
		{"§3: 304 is no response of its own", shared, "GET", nil, 304, []string{"Cache-Control", "max-age=1"}, rfc9111.ReasonStatusCode},
		{"§3.3: partial ones are not kept", shared, "GET", nil, 206, []string{"Cache-Control", "max-age=1"}, rfc9111.ReasonStatusCode},
		{"§5.2.2.5: no-store", shared, "GET", nil, 200, []string{"Cache-Control", "max-age=1, No-StOrE"}, rfc9111.ReasonNoStore},
		{"§5.2.1.5: request no-store", shared, "GET", []string{"Cache-Control", "no-store"}, 200, []string{"Cache-Control", "max-age=1"}, rfc9111.ReasonRequestNoStore},
		{"§5.2.2.7: private, shared", shared, "GET", nil, 200, []string{"Cache-Control", "max-age=1, private"}, rfc9111.ReasonPrivate},
		{"§5.2.2.7: private, private", private, "GET", nil, 200, []string{"Cache-Control", "max-age=1, private"}, rfc9111.ReasonNone},
		{"§5.2.2.7: qualified private is private", shared, "GET", nil, 200, []string{"Cache-Control", `max-age=1, private="x, y"`}, rfc9111.ReasonPrivate},
		{"§3.5: Authorization", shared, "GET", []string{"Authorization", "x"}, 200, []string{"Cache-Control", "max-age=1"}, rfc9111.ReasonAuthorization},
		{"§3.5: with public", shared, "GET", []string{"Authorization", "x"}, 200, []string{"Cache-Control", "max-age=1, public"}, rfc9111.ReasonNone},
		{"§3.5: with must-revalidate", shared, "GET", []string{"Authorization", "x"}, 200, []string{"Cache-Control", "max-age=1, must-revalidate"}, rfc9111.ReasonNone},
		{"§3.5: with s-maxage", shared, "GET", []string{"Authorization", "x"}, 200, []string{"Cache-Control", "s-maxage=1"}, rfc9111.ReasonNone},
		{"§3.5: not in a private cache", private, "GET", []string{"Authorization", "x"}, 200, []string{"Cache-Control", "max-age=1"}, rfc9111.ReasonNone},
		{"§3.5: the targeted public counts", shared, "GET", []string{"Authorization", "x"}, 200, []string{"Cache-Control", "private, no-cache", "ETag", `"a"`, "Terrazzo-Cache-Control", "public, no-cache"}, rfc9111.ReasonNone},
		{"9110 §15.1: 302 needs a lifetime", shared, "GET", nil, 302, []string{"ETag", "a"}, rfc9111.ReasonStatusCode},
		{"9110 §15.1: 404 does not", shared, "GET", nil, 404, []string{"ETag", "a"}, rfc9111.ReasonNone},
		{"§3: 503 with a lifetime", shared, "GET", nil, 503, []string{"Cache-Control", "max-age=9"}, rfc9111.ReasonNone},
		{"§4.1: Vary: *", shared, "GET", nil, 200, []string{"Cache-Control", "max-age=1", "Vary", "a, *"}, rfc9111.ReasonVary},
		{"§5.2.2.3: must-understand, known", shared, "GET", nil, 200, []string{"Cache-Control", "max-age=1, no-store, must-understand"}, rfc9111.ReasonNone},
		{"§5.2.2.3: must-understand, unknown", shared, "GET", nil, 599, []string{"Cache-Control", "max-age=1, must-understand"}, rfc9111.ReasonMustUnderstand},
		{"9213: no-store overridden by a target", shared, "GET", nil, 200, []string{"Cache-Control", "no-store", "CDN-Cache-Control", "max-age=9"}, rfc9111.ReasonNone},
		{"9213: no-store of a target", shared, "GET", nil, 200, []string{"Cache-Control", "max-age=9", "CDN-Cache-Control", "no-store"}, rfc9111.ReasonNoStore},
	}
	for _, test := range tests {
		t.Run(test.rule, func(t *testing.T) {
			q := rfc9111.ParseRequest(test.method, request(test.request...))
			s := test.policy.Parse(test.status, head(test.response...), base, base)
			ok, reason := test.policy.Storable(&q, &s)
			if reason != test.want || ok != (test.want == rfc9111.ReasonNone) {
				t.Errorf("storable %v because of %q, want %q", ok, reason, test.want)
			}
		})
	}
}

// TestStaleOnError: RFC 9111 §4.2.4 and RFC 5861 §4.
func TestStaleOnError(t *testing.T) {
	tests := []struct {
		rule    string
		policy  rfc9111.Policy
		request []string
		stored  []string
		after   int
		status  int
		want    bool
	}{
		{"nobody allowed it", shared, nil, []string{"Cache-Control", "max-age=1"}, 5, 0, false},
		{"5861 §4: the response did", shared, nil, []string{"Cache-Control", "max-age=1, stale-if-error=10"}, 11, 503, true},
		{"5861 §4: so long and no longer", shared, nil, []string{"Cache-Control", "max-age=1, stale-if-error=10"}, 12, 503, false},
		{"5861 §4: the request did", shared, []string{"Cache-Control", "stale-if-error=10"}, []string{"Cache-Control", "max-age=1"}, 5, 0, true},
		{"§4.2.4: the operator did", forgiving, nil, []string{"Cache-Control", "max-age=1"}, 5, 0, true},
		{"§4.2.4: within his window", forgiving, nil, []string{"Cache-Control", "max-age=1"}, 62, 0, false},
		{"5861 §4: 404 is an answer", forgiving, nil, []string{"Cache-Control", "max-age=1"}, 5, 404, false},
		{"§5.2.2.2: must-revalidate", forgiving, nil, []string{"Cache-Control", "max-age=1, must-revalidate, stale-if-error=99"}, 5, 0, false},
		{"§5.2.2.4: no-cache", forgiving, nil, []string{"Cache-Control", "no-cache"}, 5, 0, false},
		{"§5.2.2.10: s-maxage", forgiving, nil, []string{"Cache-Control", "s-maxage=1"}, 5, 0, false},
		{"§5.2.1.4: request no-cache", forgiving, []string{"Cache-Control", "no-cache"}, []string{"Cache-Control", "max-age=1"}, 5, 0, false},
	}
	for _, test := range tests {
		t.Run(test.rule, func(t *testing.T) {
			q := rfc9111.ParseRequest(http.MethodGet, request(test.request...))
			s := test.policy.Parse(200, head(test.stored...), base, base)
			if got := test.policy.StaleOnError(&q, &s, base.Add(time.Duration(test.after)*time.Second), test.status); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestAge: RFC 9111 §4.2.3, the corrected age counts the round trip and never runs backwards.
func TestAge(t *testing.T) {
	s := shared.Parse(200, head("Age", "10"), base.Add(-5*time.Second), base)
	if got := s.Age(base.Add(time.Second)); got != 16*time.Second {
		t.Errorf("age %v, want 16s", got)
	}
	if got := s.Age(base.Add(-30 * time.Second)); got != 0 {
		t.Errorf("age just before it arrived: %v, want 0", got)
	}
	if got := s.Age(base.Add(-time.Hour)); got < 100*365*24*time.Hour {
		t.Errorf("age by a clock that went back an hour: %v", got)
	}
	for _, date := range []string{"Mon, 01 Jan 0001 00:00:00 GMT", "Wed, 01 Jan 1000 00:00:00 GMT"} {
		s := shared.Parse(200, head("Date", date, "Age", "99999999999999999999", "Cache-Control", "max-age=9999999999"), base, base)
		for _, later := range []time.Duration{0, time.Second, 250 * 365 * 24 * time.Hour} {
			if got := s.Age(base.Add(later)); got < s.Lifetime {
				t.Errorf("%s, %v later: age %v, less than its lifetime", date, later, got)
			}
		}
	}
}

// TestHitAllocates nothing: the hit path of every cache runs through these.
func TestHitAllocatesNothing(t *testing.T) {
	s := shared.Parse(200, head("Cache-Control", "max-age=60", "ETag", `"a"`, "Last-Modified", at(-5)), base, base)
	h := request("Cache-Control", `x="a, b", max-stale=4`, "If-None-Match", `"z", W/"a"`, "Accept", "application/x-msgpack,application/json")
	now := base.Add(time.Second)
	allocated := testing.AllocsPerRun(100, func() {
		q := rfc9111.ParseRequest(http.MethodGet, h)
		if shared.Reuse(&q, &s, now).Action != rfc9111.Serve || !rfc9111.NotModified(h, &s) {
			t.Fatal("no hit")
		}
		if v, _ := rfc9111.VaryValue("Accept", h); v == "" {
			t.Fatal("no value")
		}
	})
	if allocated != 0 {
		t.Errorf("%v allocations on the hit path, want 0", allocated)
	}
}
