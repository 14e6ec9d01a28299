package evict_test

import (
	"math"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"

	"github.com/terrazzo-data/terrazzo/internal/evict"
)

// BenchmarkMillion asks a cache that holds a million entries: half of the
// requests hit, the rest push something out. cpu-ns/op is the time of the thread,
// which a busy machine does not lengthen as much as ns/op.
func BenchmarkMillion(b *testing.B) {
	const held, size = 1_000_000, 1 << 20
	for name, p := range map[string]evict.Policy{"GDSF": evict.NewGDSF(), "Hazard": evict.NewHazard(held * size), "S3-FIFO": evict.NewS3FIFO(held * size)} {
		b.Run(name, func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			present := make(map[uint64]bool, held)
			key := func() uint64 { return uint64(math.Pow(4*held, rng.Float64())) * 0x9e3779b97f4a7c15 }
			ask := func(k uint64) {
				if present[k] {
					p.Touch(k)
					return
				}
				p.Insert(k, size, 1e-3*float64(1+k%100))
				present[k] = true
				for len(present) > held {
					victim, _ := p.Evict()
					delete(present, victim)
				}
			}
			for k := range uint64(held + 1000) {
				ask(k * 0x9e3779b97f4a7c15)
			}
			keys := make([]uint64, 1<<21)
			for i := range keys {
				keys[i] = rng.Uint64N(2*held) * 0x9e3779b97f4a7c15
				if i%2 == 0 {
					keys[i] = key()
				}
			}
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			began := threadTime(b)
			b.ResetTimer()
			i := 0
			for b.Loop() {
				ask(keys[i%len(keys)])
				i++
			}
			b.ReportMetric((threadTime(b)-began)/float64(i), "cpu-ns/op")
		})
	}
}

func threadTime(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_THREAD, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano() + u.Stime.Nano())
}
