// SPDX-License-Identifier: BSD-3-Clause

package httpcache

import "errors"

// ErrNotAvailableOffline says that the cache is offline and does not hold what was
// asked for. Errors that wrap it name the URL.
var ErrNotAvailableOffline = errors.New("not available offline")

// ErrFull says that a body found no room in a cache that was told not to give anything
// up ([Options.ErrorIfFull]).
var ErrFull = errors.New("the cache is full")
