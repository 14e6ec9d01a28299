// Package errdef holds the errors that mean the same on both sides of the wire.
//
// A package wraps one of them with its subject first,
// fmt.Errorf("npy %s: header: %w", name, errdef.ErrUnprocessable), the server
// turns it into one HTTP status, and the client turns that status back into
// the same error. Compare with [errors.Is].
package errdef

import "errors"

var (
	// ErrInvalid says that the request asks for something that makes no sense
	// here: an index out of range, a value that does not parse, an answer
	// that would be too large.
	ErrInvalid = errors.New("invalid request")
	// ErrUnauthenticated says that who asks is unknown, or may not ask this.
	ErrUnauthenticated = errors.New("not authenticated")
	// ErrForbidden says that who asks is known and may not have this.
	ErrForbidden = errors.New("forbidden")
	// ErrNotFound says that there is no such node, file, block or key.
	ErrNotFound = errors.New("not found")
	// ErrNotAllowed says that the node does not have this ability.
	ErrNotAllowed = errors.New("not supported by this node")
	// ErrNotAcceptable says that the data cannot be given in the media type asked for.
	ErrNotAcceptable = errors.New("not acceptable")
	// ErrConflict says that the request does not fit the present state.
	ErrConflict = errors.New("conflict")
	// ErrGone says that a link inside a file leads nowhere.
	ErrGone = errors.New("broken link")
	// ErrTooLarge says that what was sent is larger than this server takes.
	ErrTooLarge = errors.New("too large")
	// ErrUnsupported says that this installation cannot read such data: a
	// format, a codec or a feature of it that is missing here.
	ErrUnsupported = errors.New("unsupported")
	// ErrUnprocessable says that a well-formed request, or the file it is
	// about, cannot be worked with: a slice that does not parse, a file that
	// is cut off, damaged or contradicts itself.
	ErrUnprocessable = errors.New("cannot be processed")
	// ErrLimited says that the client asks too often.
	ErrLimited = errors.New("too many requests")
	// ErrUnavailable says that the answer cannot be had now and may be had later.
	ErrUnavailable = errors.New("temporarily unavailable")
	// ErrChanged says that the source is no longer the version that was asked
	// for. Whoever pinned the version starts again with a new one, or gives up.
	ErrChanged = errors.New("source has changed")
)
