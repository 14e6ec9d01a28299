package budget_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/terrazzo-data/terrazzo/errdef"
	"github.com/terrazzo-data/terrazzo/internal/budget"
)

func TestWaitsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(100)
		first, err := b.Reserve(t.Context(), 80)
		if err != nil {
			t.Fatal(err)
		}
		var order []int64
		var mu sync.Mutex
		var wg sync.WaitGroup
		for _, want := range []int64{90, 30} { // the small one asks later and must not overtake
			wg.Go(func() {
				r, err := b.Reserve(t.Context(), want)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, want)
				mu.Unlock()
				r.Release()
			})
			synctest.Wait()
		}
		if b.Used() != 80 {
			t.Errorf("used %d while the first holds 80", b.Used())
		}
		first.Release()
		first.Release()
		wg.Wait()
		if len(order) != 2 || order[0] != 90 || b.Used() != 0 {
			t.Errorf("order %v, used %d after all", order, b.Used())
		}
	})
}

func TestMoreThanAllRunsAlone(t *testing.T) {
	b := budget.New(10)
	r, err := b.Reserve(t.Context(), 1<<40)
	if err != nil || b.Used() != 10 {
		t.Fatalf("err %v, used %d", err, b.Used())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Reserve(ctx, 1); !errors.Is(err, errdef.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("a full budget and a client gone: %v", err)
	}
	r.Shrink(4)
	if b.Used() != 4 {
		t.Errorf("used %d after shrinking to 4", b.Used())
	}
	r.Shrink(8)
	if b.Used() != 4 {
		t.Errorf("shrinking to more than is held gave %d", b.Used())
	}
	r.Release()
}

// TestLongOnesLeaveRoom: whatever is held for long, a quarter is there for
// others, and what is given back is given back to both.
func TestLongOnesLeaveRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(100)
		long, err := b.ReserveLong(t.Context(), 60)
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan *budget.Reservation)
		go func() {
			second, err := b.ReserveLong(t.Context(), 30)
			if err != nil {
				t.Error(err)
			}
			got <- second
		}()
		synctest.Wait()
		short, err := b.Reserve(t.Context(), 40)
		if err != nil || b.Used() != 100 {
			t.Fatalf("a short one beside long ones: %v, used %d", err, b.Used())
		}
		short.Release()
		long.Shrink(20)
		second := <-got
		if b.Used() != 50 {
			t.Errorf("used %d, want 20 and 30", b.Used())
		}
		long.Release()
		second.Release()
		all, err := b.ReserveLong(t.Context(), 1000)
		if err != nil || b.Used() != 75 {
			t.Fatalf("more than all: %v, used %d", err, b.Used())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := b.ReserveLong(ctx, 1); !errors.Is(err, errdef.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("no room for long ones, and a client gone: %v", err)
		}
		all.Release()
	})
}
