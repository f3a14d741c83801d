package store_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/store"
	"github.com/tandemq/tandem/internal/store/storetest"
)

// clock is a clock that a test moves.
type clock struct{ now atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.now.Store(noon.UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.now.Load()).UTC() }
func (c *clock) Advance(d time.Duration) { c.now.Add(int64(d)) }

var accepted = store.Answer{Status: 202, Headers: map[string]string{"Location": "/api/v1/jobs/email/1"}, Body: []byte(`{"jobId":"1"}`)}

func TestAfterForgetAllEveryRequestIsNew(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, memory := t.Context(), store.NewIdempotency(db, store.IdempotencyOptions{})
		answered, _, err := memory.Begin(ctx, "alice", "answered", []byte("body"))
		if err := errors.Join(err, memory.Finish(ctx, answered, accepted)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := memory.Begin(ctx, "alice", "in flight", []byte("body")); err != nil {
			t.Fatal(err)
		}
		if err := memory.ForgetAll(ctx); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"answered", "in flight"} {
			if _, replay, err := memory.Begin(ctx, "alice", key, []byte("body")); replay != nil || err != nil {
				t.Errorf("%s: %v, %v, want a fresh start", key, replay, err)
			}
		}
	})
}

func TestAnIdempotentRequest(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, clock := t.Context(), newClock()
		memory := store.NewIdempotency(db, store.IdempotencyOptions{TTL: time.Hour, Lease: time.Minute, Now: clock.Now})
		begin := func(scope, key, body string) (store.Ticket, *store.Answer, error) {
			return memory.Begin(ctx, scope, key, []byte(body))
		}

		ticket, replay, err := begin("alice", "k", "body")
		if replay != nil || err != nil {
			t.Fatalf("the first request: %v, %v", replay, err)
		}
		if _, _, err := begin("alice", "k", "body"); !errors.Is(err, store.ErrInFlight) {
			t.Errorf("while it is answered: %v, want ErrInFlight", err)
		}
		if _, _, err := begin("alice", "k", "other"); !errors.Is(err, store.ErrOtherBody) {
			t.Errorf("another body: %v, want ErrOtherBody", err)
		}
		if _, replay, err := begin("bob", "k", "other"); replay != nil || err != nil {
			t.Errorf("somebody else's key: %v, %v, want a fresh start", replay, err)
		}

		if err := memory.Finish(ctx, ticket, accepted); err != nil {
			t.Fatal(err)
		}
		clock.Advance(30 * time.Minute)
		_, replay, err = begin("alice", "k", "body")
		if diff := cmp.Diff(&accepted, replay); diff != "" || err != nil {
			t.Errorf("the same request again: %v\n%s", err, diff)
		}
		if _, _, err := begin("alice", "k", "other"); !errors.Is(err, store.ErrOtherBody) {
			t.Errorf("another body after the answer: %v, want ErrOtherBody", err)
		}

		clock.Advance(30 * time.Minute)
		if _, replay, err := begin("alice", "k", "other"); replay != nil || err != nil {
			t.Errorf("after the TTL: %v, %v, want a fresh start", replay, err)
		}
	})
}

func TestADeadRequestIsTakenOverAfterItsLease(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, clock := t.Context(), newClock()
		memory := store.NewIdempotency(db, store.IdempotencyOptions{Lease: time.Minute, Now: clock.Now})
		dead, _, err := memory.Begin(ctx, "a", "k", []byte("body"))
		if err != nil {
			t.Fatal(err)
		}
		clock.Advance(time.Minute)
		if _, _, err := memory.Begin(ctx, "a", "k", []byte("other")); !errors.Is(err, store.ErrOtherBody) {
			t.Errorf("another body takes over: %v, want ErrOtherBody", err)
		}
		heir, replay, err := memory.Begin(ctx, "a", "k", []byte("body"))
		if replay != nil || err != nil {
			t.Fatalf("takeover: %v, %v", replay, err)
		}
		if err := memory.Finish(ctx, dead, store.Answer{Status: 500}); !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("the dead request finishes: %v, want ErrLeaseLost", err)
		}
		if err := memory.Forget(ctx, dead); err != nil {
			t.Error(err)
		}
		if err := memory.Finish(ctx, heir, accepted); err != nil {
			t.Errorf("the heir finishes: %v", err)
		}
	})
}

func TestAForgottenRequestMayBeginAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		memory := store.NewIdempotency(db, store.IdempotencyOptions{})
		for _, body := range []string{"body", "body", "other"} {
			ticket, replay, err := memory.Begin(ctx, "a", "k", []byte(body))
			if replay != nil || err != nil {
				t.Fatalf("%s: %v, %v", body, replay, err)
			}
			if err := memory.Forget(ctx, ticket); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestOfManyRequestsAtOnceOneBegins(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		memory := store.NewIdempotency(db, store.IdempotencyOptions{})
		var began, refused atomic.Int64
		var callers sync.WaitGroup
		for range 20 {
			callers.Go(func() {
				_, replay, err := memory.Begin(t.Context(), "a", "k", []byte("body"))
				switch {
				case replay == nil && err == nil:
					began.Add(1)
				case errors.Is(err, store.ErrInFlight):
					refused.Add(1)
				default:
					t.Errorf("replay %v, error %v", replay, err)
				}
			})
		}
		callers.Wait()
		if began.Load() != 1 || refused.Load() != 19 {
			t.Errorf("%d began and %d were refused", began.Load(), refused.Load())
		}
	})
}

func TestNoKeyOrBodyIsStoredInClear(t *testing.T) {
	db := storetest.SQLite(t)
	memory := store.NewIdempotency(db, store.IdempotencyOptions{})
	if _, _, err := memory.Begin(t.Context(), "alice", "my-secret-key", []byte("my-secret-body")); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db, "idempotency WHERE key_hash LIKE '%secret%' OR body_hash LIKE '%secret%' OR owner LIKE '%secret%'"); n != 0 {
		t.Error("a secret stands in the table")
	}
}
