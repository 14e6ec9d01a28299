// SPDX-License-Identifier: BSD-3-Clause

package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// Settings are what a program tells a store that it opens.
type Settings struct {
	// Capacity is how many bytes it may hold, headers and overhead included; more than 0.
	Capacity int64
	// Address is where it lies, in whatever form the store understands; often "".
	Address string
}

// Opener opens a store. If the store has a method Close() error, whoever opened it calls
// that once, when nobody uses the store any more. An address or capacity that it cannot
// use is [errdef.ErrInvalid].
type Opener func(ctx context.Context, s Settings) (Store, error)

// Open opens the store that spec names, "NAME" or "NAME:ADDRESS", by the opener of that
// name. A name that openers has not is [errdef.ErrInvalid].
func Open(ctx context.Context, openers map[string]Opener, spec string, capacity int64) (Store, error) {
	name, address, _ := strings.Cut(spec, ":")
	open := openers[name]
	if open == nil {
		known := "this program has none of its own"
		if len(openers) > 0 {
			known = "this program has " + strings.Join(slices.Sorted(maps.Keys(openers)), ", ")
		}
		return nil, fmt.Errorf("store %q: there is no type of that name (%s): %w", name, known, errdef.ErrInvalid)
	}
	s, err := open(ctx, Settings{Capacity: capacity, Address: address})
	if err != nil {
		return nil, fmt.Errorf("store %q: %w", name, err)
	}
	return s, nil
}
