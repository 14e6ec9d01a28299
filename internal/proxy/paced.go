// SPDX-License-Identifier: BSD-3-Clause

package proxy

import (
	"net"
	"time"
)

// A client must take what is written within writeTime, and so much longer as it takes at
// slowestRate; else it is given up, for it holds the memory of a body.
const (
	writeTime   = time.Minute
	slowestRate = 4 << 10 // bytes a second
)

// pacedListener gives up clients that stand still while they are written to. What they
// write may take its time: a web socket may be silent for hours.
type pacedListener struct{ net.Listener }

// Accept implements [net.Listener].
func (l pacedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &pacedConn{c}, nil
}

type pacedConn struct{ net.Conn }

// Write implements [net.Conn].
func (c *pacedConn) Write(p []byte) (int, error) {
	within := writeTime + time.Duration(len(p)/slowestRate)*time.Second
	if err := c.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
