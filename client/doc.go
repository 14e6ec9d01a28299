// SPDX-License-Identifier: BSD-3-Clause

// Package client reads from a Tiled server, Terrazzo or any other: it connects,
// walks and searches the tree, slices arrays into Go slices, reads tables as
// Arrow record batches and fetches files as they are.
//
//	c, err := client.Connect(ctx, "http://localhost:8000", client.WithAPIKey(key))
//	node, err := c.Open(ctx, "scan/detector")
//	array, err := node.Array()
//	frame, shape, err := client.Read[uint16](ctx, array, "12")
//
// # Errors
//
// What the server refuses is an [*Error], and matches with [errors.Is] the same
// sentinel of package errdef that the server had in mind: errdef.ErrNotFound for
// 404, errdef.ErrUnauthenticated for 401 and so on. A server that cannot be reached
// is errdef.ErrUnavailable; what is not held while the cache is offline is
// [ErrNotAvailableOffline].
//
// # Requests
//
// Every request is tried again, with growing pauses, where that may help (see
// [Retry]); a body that breaks off counts as such a failure. Bodies are bounded
// before memory is allocated for them: an array's by its structure, all others by
// [WithLimit]. Links in answers are not followed: addresses are made from the one
// that was given, so that a key never goes to another host.
//
// All types are safe for concurrent use.
package client
