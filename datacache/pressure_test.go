package datacache_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/terrazzo-data/terrazzo/datacache"
)

func TestShrinksUnderPressureAndGrowsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const budget = 64 * mib
		c := newCache(t, datacache.Options{Bytes: budget})
		a := arrayOf(t, c.Wrap(newStack("s", 100, mib)))
		fill := func() int64 {
			for i := range int64(100) {
				mustRead(t, a, i)
			}
			return c.Stats().Bytes
		}
		full := fill()
		var free atomic.Int64
		free.Store(50)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Watch(ctx, time.Second, free.Load, func() int64 { return 100 })
		}()
		time.Sleep(10 * time.Second)
		if c.Stats().Bytes != full {
			t.Error("it gave way without need")
		}
		free.Store(3)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if got := c.Stats().Bytes; got > full/2 || got < full/4 {
			t.Errorf("after three looks %d of %d are held", got, full)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := c.Stats(); got.Bytes == 0 || got.Bytes > budget/8 {
			t.Errorf("after a minute %d are held, want an eighth of %d", got.Bytes, int64(budget))
		}
		free.Store(10)
		time.Sleep(time.Minute)
		if got := c.Stats().Room; got > budget/8 {
			t.Error("it grows back while memory is still short")
		}
		free.Store(40)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := fill(); got != full {
			t.Errorf("it grew back to %d of %d", got, full)
		}
		stop()
		<-done
	})
}
