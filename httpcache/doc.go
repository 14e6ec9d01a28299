// SPDX-License-Identifier: BSD-3-Clause

// Package httpcache is a private HTTP cache for clients: a [Transport] that anyone's
// [net/http.Client] can use, over a [store.Store] in memory, on disk, or both.
//
//	t, err := httpcache.Open(httpcache.Place{Dir: dir}, httpcache.Options{})
//	defer t.Close()
//	c := http.Client{Transport: t}
//
// # Rules
//
// They are RFC 9111's for a private cache, decided by package rfc9111: what is fresh is
// answered without a request; what is not is asked about with its validator, in one
// round trip; stale-while-revalidate, stale-if-error and immutable are obeyed; a body
// is streamed through while it is stored; equal requests under way at the same time
// become one. What happened is on each response as Cache-Status (RFC 9211), and
// counted.
//
// # Who may have it
//
// What is stored is kept apart by who asked: by [Options.Principal], which stays the
// same when tokens are renewed, or else by a digest of the request's credentials. The
// credentials themselves are in no key, file or message. So a folder shared by many
// never gives one what another was allowed to see; file modes (0700, 0600) keep them
// from looking.
//
// # Offline
//
// While [Options.Offline] says so, no request is sent: what is held is served, however
// old, and for the rest RoundTrip fails with [ErrNotAvailableOffline].
//
// # When the store fails
//
// A store's failure is a miss: it is counted and nobody else's error. [Open] falls back
// to memory where the disk cannot be used.
package httpcache
