package cli

import (
	"crypto/x509"
	"errors"
	"net"
	"syscall"

	"github.com/terrazzo-data/terrazzo/client"
	"github.com/terrazzo-data/terrazzo/errdef"
)

// adviceFor says what can be done about an error, in a line, where the error does not
// say it itself.
func adviceFor(err error) string {
	var name *net.DNSError
	var proxy *net.OpError
	var authority x509.UnknownAuthorityError
	var refused *client.Error
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "The disk is full: make room, or name another place with -o, --library or --cache-dir."
	case errors.As(err, &name):
		return "The name of the host is not known: is it spelt right, and is there a network? --offline uses what is held here."
	case errors.As(err, &proxy) && proxy.Op == "proxyconnect":
		return "The proxy that HTTP_PROXY or HTTPS_PROXY names does not answer: correct it, or add the server's host to NO_PROXY."
	case errors.As(err, &authority):
		return "The server's certificate is signed by nobody this machine trusts: add its authority to the system's, or name its file in SSL_CERT_FILE."
	case errors.Is(err, client.ErrNotAvailableOffline):
		return "Ask for it once with a network, or `terrazzo download` it."
	case errors.Is(err, errdef.ErrUnauthenticated):
		return "Give a key in TILED_API_KEY or with --api-key-file, or use `terrazzo login`; tokens that are over need a new login."
	case errors.As(err, &refused):
		return "" // the server's own words
	case errors.Is(err, errdef.ErrUnavailable):
		return "Is the server running, and the address right? --offline uses what is held here."
	}
	return ""
}
