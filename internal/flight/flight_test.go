package flight_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/terrazzo-data/terrazzo/internal/flight"
)

var errBroken = errors.New("broken file")

// answer is what one caller got, and when (fake time since it asked).
type answer struct {
	value  int
	shared bool
	err    error
	after  time.Duration
}

// ask calls do in a goroutine of its own and waits until that blocks.
func ask(ctx context.Context, do func(context.Context) (int, bool, error)) <-chan answer {
	ch := make(chan answer, 1)
	began := time.Now()
	go func() {
		v, shared, err := do(ctx)
		ch <- answer{v, shared, err, time.Since(began)}
	}()
	synctest.Wait()
	return ch
}

// source counts loads; each takes a second unless its context ends before.
type source struct {
	began, cancelled atomic.Int32
	fail             error
}

func (s *source) load(ctx context.Context) (int, error) {
	n := s.began.Add(1)
	select {
	case <-time.After(time.Second):
		return int(n), s.fail
	case <-ctx.Done():
		s.cancelled.Add(1)
		return 0, ctx.Err()
	}
}

// H1: the first caller's cancelling fails nobody else.
func TestH1FirstCallerLeavesOthersAreServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, int]
		var s source
		first, cancel := context.WithCancel(t.Context())
		do := func(ctx context.Context) (int, bool, error) { return g.Do(ctx, "k", s.load) }
		a := ask(first, do)
		b := ask(t.Context(), do)
		cancel()
		if got := <-a; !errors.Is(got.err, context.Canceled) || got.after != 0 {
			t.Errorf("first caller: got %+v, want context.Canceled at once", got)
		}
		if got := <-b; got.err != nil || got.value != 1 || !got.shared {
			t.Errorf("follower: got %+v, want value 1, shared", got)
		}
		if n := s.began.Load(); n != 1 {
			t.Errorf("loads = %d, want 1", n)
		}
	})
}

// H2: a waiter leaves on its own deadline; the load goes on for the others.
func TestH2WaiterLeavesOnItsOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, int]
		var s source
		do := func(ctx context.Context) (int, bool, error) { return g.Do(ctx, "k", s.load) }
		a := ask(t.Context(), do)
		short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		b := ask(short, do)
		if n := g.Waiting("k"); n != 2 {
			t.Errorf("Waiting = %d, want 2", n)
		}
		if got := <-b; !errors.Is(got.err, context.DeadlineExceeded) || got.after != 100*time.Millisecond {
			t.Errorf("waiter: got %+v, want its own deadline after 100ms", got)
		}
		if got := <-a; got.err != nil || got.value != 1 || got.after != time.Second {
			t.Errorf("first: got %+v, want value 1 after 1s", got)
		}
		if n := s.cancelled.Load(); n != 0 {
			t.Errorf("cancelled loads = %d, want 0", n)
		}
	})
}

// H3: a failing load is tried once for all who waited, and is not remembered.
func TestH3FailureAnswersAllOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, int]
		s := source{fail: errBroken}
		do := func(ctx context.Context) (int, bool, error) { return g.Do(ctx, "k", s.load) }
		var answers []<-chan answer
		for range 50 {
			answers = append(answers, ask(t.Context(), do))
		}
		for i, ch := range answers {
			if got := <-ch; !errors.Is(got.err, errBroken) {
				t.Errorf("caller %d: error %v, want %v", i, got.err, errBroken)
			}
		}
		if n := s.began.Load(); n != 1 {
			t.Errorf("loads = %d, want 1", n)
		}
		if got := <-ask(t.Context(), do); !errors.Is(got.err, errBroken) {
			t.Errorf("next caller: %+v, want %v", got, errBroken)
		}
		if n := s.began.Load(); n != 2 {
			t.Errorf("loads = %d, want 2: an error is not kept", n)
		}
	})
}

// H4: however a load ends, everybody who waits is answered.
func TestH4EveryPathAnswers(t *testing.T) {
	ends := map[string]struct {
		end   func() (int, error)
		check func(error) bool
	}{
		"returns": {func() (int, error) { return 0, errBroken }, func(err error) bool { return errors.Is(err, errBroken) }},
		"panics": {func() (int, error) { panic(errBroken) }, func(err error) bool {
			var p *flight.PanicError
			return errors.As(err, &p) && errors.Is(err, errBroken) && len(p.Stack) > 0
		}},
		"panics with nil": {func() (int, error) { panic(nil) }, func(err error) bool {
			var p *flight.PanicError
			return errors.As(err, &p)
		}},
		"exits": {func() (int, error) { runtime.Goexit(); return 0, nil }, func(err error) bool { return errors.Is(err, flight.ErrExited) }},
	}
	for name, tc := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g flight.Group[string, int]
				do := func(ctx context.Context) (int, bool, error) {
					return g.Do(ctx, "k", func(context.Context) (int, error) {
						time.Sleep(time.Second)
						return tc.end()
					})
				}
				var answers []<-chan answer
				for range 5 {
					answers = append(answers, ask(t.Context(), do))
				}
				for i, ch := range answers {
					if got := <-ch; !tc.check(got.err) {
						t.Errorf("caller %d: %v", i, got.err)
					}
				}
				if got := <-ask(t.Context(), func(ctx context.Context) (int, bool, error) {
					return g.Do(ctx, "k", func(context.Context) (int, error) { return 7, nil })
				}); got.value != 7 || got.err != nil {
					t.Errorf("the key is not usable afterwards: %+v", got)
				}
			})
		})
	}
}

func TestLastToLeaveCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, int]
		var s source
		do := func(ctx context.Context) (int, bool, error) { return g.Do(ctx, "k", s.load) }
		ctx, cancel := context.WithCancel(t.Context())
		a, b := ask(ctx, do), ask(ctx, do)
		cancel()
		<-a
		<-b
		synctest.Wait()
		if n := s.cancelled.Load(); n != 1 {
			t.Errorf("cancelled loads = %d, want 1", n)
		}
		if got := <-ask(t.Context(), do); got.value != 2 || got.err != nil || got.shared {
			t.Errorf("after a load was given up: got %+v, want a load of its own", got)
		}
	})
}

// A load that ignores being given up must not be joined, nor disturb its successor.
func TestGivenUpLoadIsNeverJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, int]
		ctx, cancel := context.WithCancel(t.Context())
		a := ask(ctx, func(ctx context.Context) (int, bool, error) {
			return g.Do(ctx, "k", func(context.Context) (int, error) { time.Sleep(time.Minute); return 1, nil })
		})
		cancel()
		<-a
		b := ask(t.Context(), func(ctx context.Context) (int, bool, error) {
			return g.Do(ctx, "k", func(context.Context) (int, error) { time.Sleep(time.Hour); return 2, nil })
		})
		time.Sleep(30 * time.Minute)
		c := ask(t.Context(), func(ctx context.Context) (int, bool, error) {
			return g.Do(ctx, "k", func(context.Context) (int, error) { return 3, nil })
		})
		for _, ch := range []<-chan answer{b, c} {
			if got := <-ch; got.value != 2 || !got.shared {
				t.Errorf("got %+v, want value 2, shared", got)
			}
		}
		g.Wait()
	})
}

func TestDoFreshNeverJoinsALoadThatBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, int]
		var s source
		fresh := func(ctx context.Context) (int, bool, error) { return g.DoFresh(ctx, "k", s.load) }
		a := ask(t.Context(), fresh)
		time.Sleep(time.Second / 2)
		b, c := ask(t.Context(), fresh), ask(t.Context(), fresh)
		joiner := ask(t.Context(), func(ctx context.Context) (int, bool, error) { return g.Do(ctx, "k", s.load) })
		if got := <-a; got.value != 1 || got.after != time.Second {
			t.Errorf("first: %+v, want load 1 after 1s", got)
		}
		if got := <-joiner; got.value != 1 {
			t.Errorf("Do beside it: %+v, want load 1", got)
		}
		for _, ch := range []<-chan answer{b, c} {
			if got := <-ch; got.value != 2 || got.after != 1500*time.Millisecond {
				t.Errorf("came later: %+v, want load 2 after 1.5s", got)
			}
		}
		if n := s.began.Load(); n != 2 {
			t.Errorf("loads = %d, want 2", n)
		}
	})
}

func TestDoFreshWaitersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, int]
		var s source
		fresh := func(ctx context.Context) (int, bool, error) { return g.DoFresh(ctx, "k", s.load) }
		first, leaveFirst := context.WithCancel(t.Context())
		second, leaveSecond := context.WithCancel(t.Context())
		a, b := ask(first, fresh), ask(second, fresh)
		leaveSecond()
		<-b
		c := ask(t.Context(), fresh)
		leaveFirst()
		<-a
		if got := <-c; got.value != 2 || got.after != time.Second {
			t.Errorf("got %+v, want load 2, begun when the first was given up", got)
		}
		if n := s.began.Load(); n != 2 {
			t.Errorf("loads = %d, want 2: the second's was given up before it began", n)
		}
	})
}

func TestDoneContextStartsNothing(t *testing.T) {
	var g flight.Group[string, int]
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := g.Do(ctx, "k", func(context.Context) (int, error) {
		t.Error("load began")
		return 0, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want context.Canceled", err)
	}
}

func TestLoadKeepsValuesOfFirstContext(t *testing.T) {
	type key struct{}
	var g flight.Group[string, int]
	ctx := context.WithValue(t.Context(), key{}, 42)
	v, _, err := g.Do(ctx, "k", func(ctx context.Context) (int, error) {
		if _, ok := ctx.Deadline(); ok {
			return 0, errBroken
		}
		return ctx.Value(key{}).(int), nil
	})
	if v != 42 || err != nil {
		t.Errorf("got %d, %v; want 42", v, err)
	}
}

// Many keys, callers and deadlines at once: every caller is answered and every
// load that nobody waits for ends (synctest fails when a goroutine is left).
func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[int, int]
		const callers = 2000
		answered := make(chan error, callers)
		for i := range callers {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%37)*time.Millisecond)
				defer cancel()
				do := g.Do
				if i%3 == 0 {
					do = g.DoFresh
				}
				key := i % 11
				v, _, err := do(ctx, key, func(ctx context.Context) (int, error) {
					select {
					case <-time.After(time.Duration(i%23) * time.Millisecond):
						return key, nil
					case <-ctx.Done():
						return -1, ctx.Err()
					}
				})
				switch {
				case err == nil && v != key:
					answered <- fmt.Errorf("key %d: got %d", key, v)
				case err != nil && ctx.Err() == nil:
					answered <- fmt.Errorf("key %d: %w though its caller waits", key, err)
				default:
					answered <- nil
				}
			}()
		}
		for range callers {
			if err := <-answered; err != nil {
				t.Error(err)
			}
		}
		g.Wait()
	})
}

// DoMany loads what nobody loads, in one call, and waits for the rest.
func TestDoManyLoadsWhatIsLacking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[int, int]
		var loads [][]int
		many := func(ctx context.Context, keys ...int) ([]int, error) {
			return g.DoMany(ctx, keys, func(ctx context.Context, keys []int) ([]int, error) {
				loads = append(loads, keys)
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
					return nil, ctx.Err()
				}
				values := make([]int, len(keys))
				for i, k := range keys {
					values[i] = 10 * k
				}
				return values, nil
			})
		}
		first, leave := context.WithCancel(t.Context())
		a := ask(first, func(ctx context.Context) (int, bool, error) { _, err := many(ctx, 1, 2, 3); return 0, false, err })
		b := ask(t.Context(), func(ctx context.Context) (int, bool, error) {
			v, err := many(ctx, 4, 3, 5)
			if err != nil || !slices.Equal(v, []int{40, 30, 50}) {
				t.Errorf("got %v, %v", v, err)
			}
			return 0, false, err
		})
		leave() // 3 is still wanted, so the load of 1, 2 and 3 goes on
		if got := <-a; !errors.Is(got.err, context.Canceled) {
			t.Errorf("who left: %v", got.err)
		}
		c := ask(t.Context(), func(ctx context.Context) (int, bool, error) {
			v, err := many(ctx, 1, 3)
			if err != nil || !slices.Equal(v, []int{10, 30}) {
				t.Errorf("got %v, %v", v, err)
			}
			return 0, false, err
		})
		<-b
		<-c
		if want := [][]int{{1, 2, 3}, {4, 5}, {1}}; !slices.EqualFunc(loads, want, slices.Equal) {
			t.Errorf("loads %v, want %v", loads, want)
		}
	})
}

func TestDoManyFailuresAnswerAll(t *testing.T) {
	for name, load := range map[string]flight.Load[int, int]{
		"error":      func(context.Context, []int) ([]int, error) { return nil, errBroken },
		"too few":    func(context.Context, []int) ([]int, error) { return []int{1}, nil },
		"panic":      func(context.Context, []int) ([]int, error) { panic("x") },
		"value with": func(context.Context, []int) ([]int, error) { return []int{1, 2}, errBroken },
	} {
		var g flight.Group[int, int]
		if v, err := g.DoMany(t.Context(), []int{1, 2}, load); err == nil || v != nil {
			t.Errorf("%s: got %v, %v", name, v, err)
		}
		g.Wait()
	}
}

func ExampleGroup() {
	var g flight.Group[string, []byte]
	v, shared, err := g.Do(context.Background(), "block 0.0", func(context.Context) ([]byte, error) {
		return []byte("decoded"), nil
	})
	fmt.Printf("%s %v %v\n", v, shared, err)
	// Output: decoded false <nil>
}
