// SPDX-License-Identifier: BSD-3-Clause

package store

import (
	"fmt"

	"github.com/terrazzo-data/terrazzo/errdef"
)

// Check says whether key and meta keep the limits of this package; what does not is
// errdef.ErrInvalid. Stores call it first in Put.
func Check(key Key, meta Meta) error {
	switch {
	case key == "" || len(key) > MaxKey:
		return fmt.Errorf("store: key of %d bytes, want 1 to %d: %w", len(key), MaxKey, errdef.ErrInvalid)
	case len(meta.Header) > MaxHeader:
		return fmt.Errorf("store: header of %d bytes, want at most %d: %w", len(meta.Header), MaxHeader, errdef.ErrInvalid)
	case meta.Size < UnknownSize || meta.Cost < 0 || meta.TTL < 0:
		return fmt.Errorf("store: negative size, cost or TTL: %w", errdef.ErrInvalid)
	case len(meta.Groups) > MaxGroups:
		return fmt.Errorf("store: %d groups, want at most %d: %w", len(meta.Groups), MaxGroups, errdef.ErrInvalid)
	}
	for _, group := range meta.Groups {
		if group == "" || len(group) > MaxGroup {
			return fmt.Errorf("store: group name of %d bytes, want 1 to %d: %w", len(group), MaxGroup, errdef.ErrInvalid)
		}
	}
	return nil
}
