package broker

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestACallThatGotThroughEndsThePausesOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c allClear
		began := time.Now()
		var waits sync.WaitGroup
		for range 3 {
			waits.Go(func() {
				if err := c.await(t.Context(), longestPause); err != nil {
					t.Errorf("await: %v", err)
				}
				if took := time.Since(began); took != 100*time.Millisecond {
					t.Errorf("paused for %s, want until the signal after 100ms", took)
				}
			})
		}
		time.Sleep(100 * time.Millisecond)
		c.sound()
		waits.Wait()
		if c.awaited.Load() {
			t.Error("calls that get through still look for others that wait")
		}
	})
}

func TestAPauseIsNeverShorterThanItsLeast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c allClear
		began := time.Now()
		var waits sync.WaitGroup
		waits.Go(func() { _ = c.await(t.Context(), longestPause) })
		synctest.Wait()
		c.sound() // others get through all the time
		waits.Wait()
		if took := time.Since(began); took != shortestPause {
			t.Errorf("paused for %s, want %s", took, shortestPause)
		}
	})
}

func TestAPauseEndsByItselfAndWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c allClear
		began := time.Now()
		if err := c.await(t.Context(), longestPause); err != nil || time.Since(began) != longestPause {
			t.Errorf("paused for %s, error %v, want %s and none", time.Since(began), err, longestPause)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(40*time.Millisecond, cancel)
		if err := c.await(ctx, longestPause); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want that the context ended", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		began = time.Now()
		if err := c.await(ctx, longestPause); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 300*time.Millisecond {
			t.Errorf("after %s: error %v, want that the time was over, and not earlier", time.Since(began), err)
		}
	})
}

func TestPausesGrow(t *testing.T) {
	for try, most := range []time.Duration{50, 100, 200, 400, 500, 500, 500} {
		most *= time.Millisecond
		for range 100 {
			if d := pauseBefore(try); d < most/2 || d >= most {
				t.Fatalf("pause before try %d is %s, want %s to %s", try, d, most/2, most)
			}
		}
	}
}
