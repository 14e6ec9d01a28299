// SPDX-License-Identifier: BSD-3-Clause

// Package rfc9111 decides for an HTTP cache, and does nothing else: no I/O, no
// clock, no goroutine, no memory allocated where a stored response is reused.
//
// A cache asks it, in the order of a request's life:
//
//	ParseRequest      what the asker allows                     RFC 9111 §5.2.1
//	Policy.Reuse      serve, serve while revalidating, or ask   §4, §4.2, RFC 5861 §3, RFC 8246
//	Conditions        304 or 206 instead of 200                 RFC 9110 §13, §14
//	Policy.Parse      what a response says about itself         §5.2.2, RFC 9213
//	Policy.Storable   may it be kept                            §3
//	Update            what a 304 changes                        §3.2, §4.3.4
//	Policy.StaleOnError  may a stale response stand in          §4.2.4, RFC 5861 §4
//	Invalidates       what an unsafe request makes untrue       §4.4, RFC 9875
//	Status            the Cache-Status line                     RFC 9211
//
// One set of rules serves both kinds of cache: a [Policy] with Shared set is the
// server's, without it the client's. Every decision carries a [Reason], which is
// what Cache-Status prints. Times are arguments, so a test needs no clock.
//
// All functions are safe for concurrent use; none keeps or changes what it is given
// unless its comment says so.
package rfc9111
