package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// maxExplained is how many differences of a way are looked into; all are counted.
const maxExplained = 20

// Difference is a request that was answered otherwise than directly.
type Difference struct {
	Target string `json:"target"`
	// How says in words what differs.
	How string `json:"how"`
}

type comparison struct {
	differing, unstable int
	explained           []Difference
}

// compare looks at all answers of b beside those of a, and asks both again about the
// first few that differ and are not explained yet.
func compare(ctx context.Context, a, b *pass, explained []Difference) comparison {
	c := comparison{explained: explained}
	for i, sum := range a.sums {
		if b.sums[i] == sum {
			continue
		}
		target := a.o.Log.target(i)
		known := slices.ContainsFunc(c.explained, func(d Difference) bool { return d.Target == target })
		if known || len(c.explained) >= maxExplained {
			c.differing++
			continue
		}
		how, steady := a.difference(ctx, b, i)
		if !steady {
			c.unstable++
			continue
		}
		c.differing++
		c.explained = append(c.explained, Difference{Target: target, How: how})
	}
	return c
}

// difference asks both ways again. It is not steady if what comes directly has changed
// since: then nothing can be said about the other.
func (p *pass) difference(ctx context.Context, other *pass, i int) (how string, steady bool) {
	here, err := p.ask(ctx, i)
	if err != nil {
		return "no whole answer directly: " + err.Error(), here.digest == p.sums[i]
	}
	if here.digest != p.sums[i] {
		return "", false
	}
	there, err := other.ask(ctx, i)
	switch {
	case err != nil:
		return "no whole answer: " + err.Error(), true
	case there.digest == here.digest:
		return "differed once, and is the same now", true
	case there.status != here.status:
		return fmt.Sprintf("status %d, directly %d", there.status, here.status), true
	}
	how, err = p.look(ctx, other, i)
	if err != nil {
		how = err.Error()
	}
	return how, true
}

// look reads both answers side by side.
func (p *pass) look(ctx context.Context, other *pass, i int) (how string, err error) {
	bodies := make([]io.ReadCloser, 2)
	types := make([]string, 2)
	for n, q := range []*pass{p, other} {
		r, err := q.request(ctx, i)
		if err != nil {
			return "", err
		}
		resp, err := q.http.Do(r)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close() //nolint:errcheck // only read from
		if bodies[n], err = decoded(resp); err != nil {
			return "", err
		}
		defer bodies[n].Close() //nolint:errcheck // only read from
		types[n] = bareType(resp.Header)
	}
	if types[0] != types[1] {
		return fmt.Sprintf("media type %s, directly %s", types[1], types[0]), nil
	}
	if types[0] != "application/json" {
		return inBytes(bodies[0], bodies[1])
	}
	documents := make([]any, 2)
	for n, q := range []*pass{p, other} {
		text, err := io.ReadAll(io.LimitReader(bodies[n], maxDocument))
		if err != nil {
			return "", err
		}
		if documents[n], err = parseJSON(text); err != nil {
			return "a document that is no JSON: " + err.Error(), nil
		}
		documents[n] = plain(documents[n], q.hosts())
	}
	return inJSON("", documents[0], documents[1]), nil
}

// inBytes says where two bodies part.
func inBytes(a, b io.Reader) (string, error) {
	const window = 64 << 10
	left, right := make([]byte, window), make([]byte, window)
	for at := int64(0); ; at += window {
		n, err := io.ReadFull(a, left)
		m, other := io.ReadFull(b, right)
		for _, e := range []error{err, other} {
			if e != nil && !errors.Is(e, io.EOF) && !errors.Is(e, io.ErrUnexpectedEOF) {
				return "", e
			}
		}
		for i := range min(n, m) {
			if left[i] != right[i] {
				return fmt.Sprintf("byte %d is %#02x, directly %#02x", at+int64(i), right[i], left[i]), nil
			}
		}
		if n != m {
			longer, rest := "longer", b
			if n > m {
				longer, rest = "shorter", a
			}
			more, err := io.Copy(io.Discard, rest)
			return fmt.Sprintf("%s by %d bytes", longer, more+int64(max(n, m)-min(n, m))), err
		}
		if n < window {
			return "the same bytes when asked again", nil
		}
	}
}

// inJSON names the first place where two documents differ, as a JSON pointer (RFC 6901).
func inJSON(at string, a, b any) string {
	switch a := a.(type) {
	case map[string]any:
		if b, ok := b.(map[string]any); ok {
			return inObjects(at, a, b)
		}
	case []any:
		if b, ok := b.([]any); ok {
			return inLists(at, a, b)
		}
	}
	if same(a, b) {
		return "the same document when asked again"
	}
	return fmt.Sprintf("%s is %s, directly %s", pointer(at), short(b), short(a))
}

func inObjects(at string, a, b map[string]any) string {
	for _, k := range slices.Sorted(maps.Keys(a)) {
		place := at + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(k)
		other, ok := b[k]
		if !ok {
			return fmt.Sprintf("%s is missing, directly %s", pointer(place), short(a[k]))
		}
		if !same(a[k], other) {
			return inJSON(place, a[k], other)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(b)) {
		if _, ok := a[k]; !ok {
			return fmt.Sprintf("%s is %s, directly missing", pointer(at+"/"+k), short(b[k]))
		}
	}
	return "the same document when asked again"
}

func inLists(at string, a, b []any) string {
	for i := range min(len(a), len(b)) {
		if !same(a[i], b[i]) {
			return inJSON(at+"/"+strconv.Itoa(i), a[i], b[i])
		}
	}
	return fmt.Sprintf("%s has %d items, directly %d", pointer(at), len(b), len(a))
}

func pointer(at string) string {
	if at == "" {
		return "the document"
	}
	return at
}

func same(a, b any) bool {
	left, err := json.Marshal(a)
	right, other := json.Marshal(b)
	return err == nil && other == nil && bytes.Equal(left, right)
}

func short(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "something else"
	}
	if r := []rune(string(text)); len(r) > 60 {
		return string(r[:57]) + "…"
	}
	return string(text)
}
