package host

import (
	"context"
	"fmt"

	"github.com/tinylib/msgp/msgp"

	"github.com/terrazzo-data/terrazzo/adapter"
	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/structure"
)

// pageKeys is how many members one reply names.
const pageKeys = 50_000

// children answers with a page of a container's members.
func children(ctx context.Context, f adapter.Format, t *table, r *Request, inside []string) (Reply, []byte, error) {
	d, err := f.Describe(ctx, t, inside)
	if err != nil || len(t.lacks()) > 0 {
		return Reply{}, nil, err
	}
	if d.Family != structure.FamilyContainer {
		return Reply{}, nil, fmt.Errorf("%s: what is no container has no members: %w", r.Op, errdef.ErrNotAllowed)
	}
	if r.Offset < 0 || r.Limit < 1 {
		return Reply{}, nil, fmt.Errorf("%d members from %d on: %w", r.Limit, r.Offset, errdef.ErrInvalid)
	}
	from := min(r.Offset, len(d.Keys))
	page := d.Keys[from:min(from+min(r.Limit, pageKeys), len(d.Keys))]
	body, err := msgp.AppendIntf(nil, texts(page))
	if err != nil {
		return Reply{}, nil, fmt.Errorf("host protocol: members: %w: %w", err, errdef.ErrUnprocessable)
	}
	return Reply{Kind: kindChildren}, body, nil
}

// children adds to d the members that were not told with it. What the files
// became meanwhile is looked at by the caller.
func (f format) children(ctx context.Context, a *asking, described *Request, d *adapter.Description, count int) error {
	for len(d.Keys) < count {
		r := *described
		r.Op, r.Offset, r.Limit = opChildren, len(d.Keys), pageKeys
		reply, body, err := f.pool.do(ctx, job{
			path: string(a.files[0].Path), name: string(a.files[0].Name), live: a.live, request: &r, place: upTo(maxDescription),
		})
		if err != nil {
			return err
		}
		v, rest, err := msgp.ReadIntfBytes(body)
		page, ok := v.([]any)
		if err != nil || !ok || len(rest) > 0 || reply.Kind != kindChildren {
			return fmt.Errorf("host protocol: members of kind %q: %w", reply.Kind, errdef.ErrUnprocessable)
		}
		if len(page) == 0 {
			return fmt.Errorf("%s: has %d members, and had %d: %w", a.files[0].Name, len(d.Keys), count, errdef.ErrChanged)
		}
		p := parser{}
		for _, key := range page {
			d.Keys = append(d.Keys, p.string(key))
		}
		if p.err != nil {
			return p.err
		}
	}
	return nil
}
