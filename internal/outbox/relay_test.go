package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/outbox"
)

// table is a Store in memory. The real one is tested with the relay in
// relay_sql_test.go; this one lets time be a test's own.
type table struct {
	mu      sync.Mutex
	entries []outbox.Entry
	due     map[string]time.Time
	ended   map[string]string // id → "sent" or "given up: …"
	claims  int
	broken  error
}

func newTable(ids ...string) *table {
	t := &table{due: map[string]time.Time{}, ended: map[string]string{}}
	t.insert(ids...)
	return t
}

func (t *table) insert(ids ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range ids {
		t.entries = append(t.entries, outbox.Entry{ID: id, Queue: "email", Name: "welcome", Payload: []byte("{}")})
	}
}

func (t *table) Claim(_ context.Context, now, until time.Time, limit int) ([]outbox.Entry, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.claims++
	var claimed []outbox.Entry
	for i := range t.entries {
		e := &t.entries[i]
		if t.ended[e.ID] == "" && !t.due[e.ID].After(now) && len(claimed) < limit {
			e.Attempts++
			t.due[e.ID] = until
			claimed = append(claimed, *e)
		}
	}
	return claimed, t.broken
}

func (t *table) MarkSent(_ context.Context, _ time.Time, ids ...string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range ids {
		t.ended[id] = "sent"
	}
	return t.broken
}

func (t *table) MarkFailed(_ context.Context, id, _ string, next time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.due[id] = next
	return t.broken
}

func (t *table) GiveUp(_ context.Context, id, reason string, _ time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended[id] = "given up: " + reason
	return t.broken
}

func (t *table) state() map[string]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	ended := map[string]string{}
	for id, state := range t.ended {
		ended[id] = state
	}
	return ended
}

// queue is where jobs arrive. fail decides about each call.
type queue struct {
	mu    sync.Mutex
	calls []string
	fail  func(id string) error
}

func (q *queue) add(_ context.Context, e outbox.Entry) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.calls = append(q.calls, e.ID)
	if q.fail == nil {
		return nil
	}
	return q.fail(e.ID)
}

func (q *queue) setFail(fail func(string) error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.fail = fail
}

func (q *queue) added() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.calls)
}

// pass lets time pass in the bubble.
func pass(d time.Duration) { <-time.After(d) }

func always(err error) func(string) error { return func(string) error { return err } }

// running starts a relay inside the bubble and ends it with the test.
func running(t *testing.T, store outbox.Store, q *queue, o outbox.Options) *outbox.Relay {
	relay := outbox.New(store, q.add, o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- relay.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run ended with %v", err)
		}
	})
	return relay
}

func TestARelaySendsAtOnceWhenWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, q := newTable("a"), &queue{}
		relay := running(t, store, q, outbox.Options{Poll: time.Hour})
		synctest.Wait()
		store.insert("b")
		relay.Wake()
		relay.Wake() // any number of times
		synctest.Wait()
		if diff := cmp.Diff([]string{"a", "b"}, q.added()); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(map[string]string{"a": "sent", "b": "sent"}, store.state()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestARelayFindsWhatAnotherProcessCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, q := newTable(), &queue{}
		running(t, store, q, outbox.Options{})
		synctest.Wait()
		store.insert("a")
		pass(time.Second)
		synctest.Wait()
		if diff := cmp.Diff([]string{"a"}, q.added()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWhileRedisIsAwayARelayAsksNowAndThenAndDrainsWithinASecondOfItsReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ids []string
		for n := range 500 {
			ids = append(ids, fmt.Sprintf("e%d", n))
		}
		store, q := newTable(ids...), &queue{fail: always(jobs.ErrLoading)}
		relay := running(t, store, q, outbox.Options{})
		for range 60 {
			pass(time.Second)
			relay.Wake() // new work must not turn the wait into a busy loop
		}
		asked := len(q.added())
		if asked < 60 || asked > 300 {
			t.Errorf("asked %d times in a minute, want one to four times a second", asked)
		}

		q.setFail(nil)
		pass(time.Second)
		synctest.Wait()
		if sent := len(store.state()); sent != 500 {
			t.Errorf("%d of 500 were sent a second after Redis came back", sent)
		}
		if calls := len(q.added()) - asked; calls != 500 {
			t.Errorf("%d adds for 500 jobs", calls)
		}
	})
}

func TestAnEntryThatFailsByItselfIsPutOffFurtherEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, q := newTable("bad", "good"), &queue{}
		q.setFail(func(id string) error {
			if id == "bad" {
				return errors.New("mishap")
			}
			return nil
		})
		running(t, store, q, outbox.Options{Poll: 10 * time.Millisecond})
		pass(time.Minute)
		synctest.Wait()
		if got := store.state(); got["good"] != "sent" || got["bad"] != "" {
			t.Errorf("state %v, want good sent and bad waiting", got)
		}
		tries := len(q.added()) - 1
		if tries < 6 || tries > 8 {
			t.Errorf("bad was tried %d times in a minute, want 1, 2, 4, … seconds between the tries", tries)
		}
	})
}

func TestAnEntryThatCanNeverBeAddedIsGivenUp(t *testing.T) {
	tests := []struct {
		name string
		err  error
	}{
		{"invalid", jobs.Invalid("delay", "must not be negative")},
		{"too large", fmt.Errorf("add: %w", jobs.ErrTooLarge)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, q := newTable("a"), &queue{fail: always(test.err)}
				running(t, store, q, outbox.Options{})
				pass(time.Hour)
				synctest.Wait()
				if diff := cmp.Diff(map[string]string{"a": "given up: " + test.err.Error()}, store.state()); diff != "" {
					t.Error(diff)
				}
				if n := len(q.added()); n != 1 {
					t.Errorf("tried %d times", n)
				}
			})
		})
	}
}

func TestAHangingEnqueueIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newTable("a")
		hang := func(ctx context.Context, _ outbox.Entry) error { <-ctx.Done(); return ctx.Err() }
		relay := outbox.New(store, hang, outbox.Options{Timeout: time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := relay.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if store.claims < 30 {
			t.Errorf("%d tries in a minute", store.claims)
		}
	})
}

func TestWhatWasAddedIsMarkedEvenWhenTheProgramStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newTable("a", "b", "c")
		ctx, stop := context.WithCancel(t.Context())
		add := func(ctx context.Context, e outbox.Entry) error {
			if e.ID == "b" {
				stop()
				return ctx.Err()
			}
			return nil
		}
		if err := outbox.New(store, add, outbox.Options{}).Run(ctx); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{"a": "sent"}, store.state()); diff != "" {
			t.Error(diff)
		}
		for _, id := range []string{"b", "c"} {
			if due := store.due[id]; due.After(time.Now()) {
				t.Errorf("%s has to wait until %v although it was not tried", id, due)
			}
		}
	})
}

func TestARelayOutlivesABrokenDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, q := newTable(), &queue{}
		store.broken = errors.New("disk full")
		running(t, store, q, outbox.Options{})
		pass(time.Minute)
		store.mu.Lock()
		store.broken = nil
		store.mu.Unlock()
		store.insert("a")
		pass(time.Second)
		synctest.Wait()
		if diff := cmp.Diff(map[string]string{"a": "sent"}, store.state()); diff != "" {
			t.Error(diff)
		}
	})
}
