package outbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/outbox"
	"github.com/tandemq/tandem/internal/store"
	"github.com/tandemq/tandem/internal/store/storetest"
)

// redis is a queue with fixed ids that is away every third time, and that now
// and then takes a job but loses the reply.
type redis struct {
	mu   sync.Mutex
	jobs map[string]bool
	full chan struct{} // closed when want jobs are there
	want int
}

func (r *redis) add(_ context.Context, e outbox.Entry) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch rand.IntN(3) {
	case 0:
		return jobs.ErrUnavailable
	case 1:
		r.put(e.ID)
		return fmt.Errorf("read: %w", jobs.ErrUnavailable)
	}
	r.put(e.ID)
	return nil
}

func (r *redis) put(id string) {
	if r.jobs[id] = true; len(r.jobs) == r.want {
		close(r.full)
		r.want = -1
	}
}

func TestThreeRelaysBringEveryCommittedEntryIntoAFlakyQueue(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const entries = 60
		target := &redis{jobs: map[string]bool{}, full: make(chan struct{}), want: entries}
		ctx, stop := context.WithCancel(t.Context())
		var relays sync.WaitGroup
		for range 3 {
			relay := outbox.New(store.NewOutbox(db), target.add, outbox.Options{Poll: time.Millisecond, Probe: time.Millisecond, Batch: 5})
			relays.Go(func() {
				if err := relay.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		commit(t, db, entries)
		select {
		case <-target.full:
		case <-time.After(20 * time.Second):
			t.Errorf("not all %d jobs arrived", entries)
		}
		stop()
		relays.Wait()
		for n := range 2 * entries {
			id, promised := fmt.Sprintf("job-%d", n), n%2 == 0
			if target.jobs[id] != promised {
				t.Errorf("%s arrived: %t, promised: %t", id, target.jobs[id], promised)
			}
		}
	})
}

// commit promises n jobs, and as many more in transactions that fail.
func commit(t *testing.T, db *store.DB, n int) {
	t.Helper()
	mishap := errors.New("mishap")
	for i := range 2 * n {
		err := db.Tx(t.Context(), func(tx *sql.Tx) error {
			e := outbox.Entry{ID: fmt.Sprintf("job-%d", i), Queue: "email", Name: "welcome", Payload: []byte("{}"), CreatedAt: time.Now()}
			if err := store.NewOutbox(db).Insert(t.Context(), tx, e); err != nil || i%2 == 0 {
				return err
			}
			return mishap
		})
		if err != nil && !errors.Is(err, mishap) {
			t.Fatal(err)
		}
	}
}
