// SPDX-License-Identifier: BSD-3-Clause

package httpcache

import "sync"

// maxPurges bounds how many groups are remembered as purged.
const maxPurges = 4096

// purges remembers which groups were made untrue of late, so that what was asked for
// before is not kept after.
type purges struct {
	mu     sync.Mutex // guards following
	serial uint64
	groups map[string]uint64
	// floor: what was asked for before it may have been purged by a group since forgotten.
	floor uint64
}

// mark is the moment now.
func (p *purges) mark() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.serial
}

// purge notes that a group is untrue from now on.
func (p *purges) purge(group string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serial++
	if p.groups == nil || len(p.groups) >= maxPurges {
		p.groups, p.floor = map[string]uint64{}, p.serial
	}
	p.groups[group] = p.serial
}

// since tells whether any of the groups was purged after mark.
func (p *purges) since(mark uint64, groups []string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if mark == p.serial {
		return false
	}
	if p.floor > 1 && mark < p.floor {
		return true
	}
	for _, g := range groups {
		if p.groups[g] > mark {
			return true
		}
	}
	return false
}
