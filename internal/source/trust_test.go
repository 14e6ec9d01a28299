package source

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/terrazzo-data/terrazzo/adapter"
)

func changed(at time.Time, size int64) adapter.Stamp {
	return adapter.Stamp{Inode: 1, Size: size, Mtime: at.UnixNano(), Ctime: at.UnixNano()}
}

// TestTrust is law 3, with the clock of the bubble.
func TestTrust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &trust{after: 2 * time.Second}
		start := time.Now()
		check := func(what string, s adapter.Stamp, want bool) {
			t.Helper()
			if got := tr.judge(what, s); got != want {
				t.Errorf("%s after %v: %v", what, time.Since(start), got)
			}
		}
		check("old", changed(start.Add(-2*time.Second), 1), true)
		check("young", changed(start.Add(-1999*time.Millisecond), 1), false)
		touched := changed(start, 1)
		touched.Mtime = start.Add(-time.Hour).UnixNano() // cp -p, touch -d: ctime tells
		check("touched", touched, false)
		future := changed(start.Add(time.Hour), 1)
		check("future", future, false)
		check("none", adapter.Stamp{Absent: true}, true)
		time.Sleep(time.Second)
		check("future", future, false)
		check("young", changed(start.Add(-1999*time.Millisecond), 1), true)
		time.Sleep(time.Second)
		check("future", future, true) // unchanged for two seconds of our own clock
		future.Size++
		check("future", future, false) // that began anew
		check("unseen", changed(start.Add(time.Hour), 1), false)
	})
}

// TestTrustSkewed: a mount whose clock runs ahead is judged by the newest time
// seen on it; one that is far off, or set by hand, is not believed.
func TestTrustSkewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &trust{after: 5 * time.Second, remote: true}
		start := time.Now()
		if tr.judge("a", changed(start.Add(30*time.Second), 1)) {
			t.Error("the newest of all is trusted")
		}
		if !tr.judge("b", changed(start.Add(25*time.Second), 1)) {
			t.Error("five seconds older than the newest, and not trusted")
		}
		if tr.judge("c", changed(start.Add(26*time.Second), 1)) {
			t.Error("four seconds older than the newest, and trusted")
		}
		byHand := changed(start.Add(20*time.Second), 1)
		byHand.Mtime = start.Add(24 * time.Hour).UnixNano()
		if tr.judge("d", byHand) {
			t.Error("a time set by hand is trusted")
		}
		if tr.judge("e", changed(start.Add(24*time.Hour), 1)) || tr.judge("c", changed(start.Add(26*time.Second), 1)) {
			t.Error("a clock a day ahead is believed")
		}
		time.Sleep(time.Second)
		if !tr.judge("c", changed(start.Add(26*time.Second), 1)) {
			t.Error("the mount's clock goes on as ours does")
		}
		local := &trust{after: 2 * time.Second}
		local.judge("a", changed(start.Add(30*time.Second), 1))
		if local.judge("b", changed(start.Add(20*time.Second), 1)) {
			t.Error("a local disk has our clock")
		}
	})
}

// TestTrustBounded: watching ever more files takes no more memory.
func TestTrustBounded(t *testing.T) {
	tr := &trust{after: time.Hour}
	now := changed(time.Now(), 1)
	for i := range maxRacy + 10 {
		tr.judge(time.Duration(i).String(), now)
	}
	if len(tr.racy) > maxRacy {
		t.Errorf("%d files are watched", len(tr.racy))
	}
}
