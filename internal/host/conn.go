package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// errLost says that the other side went away in the middle.
var errLost = errors.New("the host went away")

// conn is one connection to a host. One request at a time runs on it.
type conn struct{ net.Conn }

// dial connects and reads the greeting.
func dial(ctx context.Context, socket string) (*conn, Greeting, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, Greeting{}, fmt.Errorf("%w: %w", errLost, err)
	}
	var g Greeting
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	_, err = readFrame(c, &g, upTo(0))
	if err == nil && g.Protocol != Version {
		err = fmt.Errorf("%s speaks version %d of the host protocol, this server %d; build both from one release: %w", g.Program, g.Protocol, Version, errdef.ErrUnsupported)
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = c.Close()
		if !errors.Is(err, errdef.ErrUnsupported) {
			err = fmt.Errorf("%w: %w", errLost, err)
		}
		return nil, Greeting{}, err
	}
	return &conn{c}, g, nil
}

// call sends a request and waits for the reply. The connection is usable
// afterwards if the error is nil. When ctx ends first, its error is returned.
func (c *conn) call(ctx context.Context, r *Request, token []byte, place func(uint64) ([]byte, error)) (Reply, []byte, error) {
	if until, ok := ctx.Deadline(); ok {
		r.DeadlineMS = max(time.Until(until).Milliseconds(), 1)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	var reply Reply
	var body []byte
	refused := error(nil)
	err := writeFrame(c, r, token)
	if err == nil {
		body, err = readFrame(c, &reply, func(n uint64) ([]byte, error) {
			b, err := place(n)
			refused = err
			return b, err
		})
	}
	if !stop() && ctx.Err() != nil {
		return Reply{}, nil, ctx.Err()
	}
	switch {
	case err == nil:
		return reply, body, nil
	case refused != nil:
		return Reply{}, nil, refused
	case errors.Is(err, errdef.ErrUnprocessable):
		return Reply{}, nil, err
	}
	return Reply{}, nil, fmt.Errorf("%w: %w", errLost, err)
}
