package datacache

import (
	"context"
	"log/slog"
	"time"
)

const (
	// tight and ample are parts of the machine's memory: with less than the
	// one available the cache gives way, with more than the other it grows back.
	tight = 0.05
	ample = 0.15
	// Each look gives way by a quarter, and grows back by a sixteenth of the
	// budget: memory that is missing is missing now.
	giveWay  = 0.75
	growBack = 1.0 / 16
	// leastRoom is the part of the budget that is kept in any case.
	leastRoom = 1.0 / 8
)

// Watch looks at the memory of the machine, or container, each time that every
// has passed, until ctx ends: when others need it the cache shrinks, step by
// step down to an eighth of its budget, and grows back when there is enough
// again. available and total give bytes. It blocks; the caller starts it and
// waits for it.
func (c *Cache) Watch(ctx context.Context, every time.Duration, available, total func() int64) {
	if c.Off() {
		return
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	budget := float64(c.options.Bytes)
	now := budget
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		free, next := float64(available())/float64(max(1, total())), now
		switch {
		case free < tight:
			next = max(now*giveWay, budget*leastRoom)
		case free > ample:
			next = min(now+budget*growBack, budget)
		}
		if next == now {
			continue
		}
		now = next
		c.Resize(int64(now))
		c.options.Log.LogAttrs(ctx, slog.LevelInfo, "data cache: memory elsewhere",
			slog.Float64("available", free), slog.Int64("budget", int64(now)))
	}
}
