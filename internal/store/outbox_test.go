package store_test

import (
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/outbox"
	"github.com/tandemq/tandem/internal/store"
	"github.com/tandemq/tandem/internal/store/storetest"
)

func entry(id string) outbox.Entry {
	return outbox.Entry{
		ID: id, Queue: "email", Name: "welcome", Payload: []byte(`{"to":"a@example.com"}`), CreatedAt: noon,
		Options: jobs.Options{Priority: jobs.High, Attempts: 3, Backoff: jobs.Backoff{Type: jobs.Exponential, Delay: time.Second}},
	}
}

func insert(t *testing.T, db *store.DB, entries ...outbox.Entry) {
	t.Helper()
	err := db.Tx(t.Context(), func(tx *sql.Tx) error {
		for _, e := range entries {
			if err := store.NewOutbox(db).Insert(t.Context(), tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func claim(t *testing.T, db *store.DB, now time.Time, limit int) []outbox.Entry {
	t.Helper()
	entries, err := store.NewOutbox(db).Claim(t.Context(), now, now.Add(time.Minute), limit)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestAnOutboxEntryIsClaimedAsItWasInserted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		insert(t, db, entry("a"))
		want := entry("a")
		want.Attempts = 1
		if diff := cmp.Diff([]outbox.Entry{want}, claim(t, db, noon, 10)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAClaimEndsWithItsLease(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		insert(t, db, entry("a"))
		claim(t, db, noon, 10)
		if taken := claim(t, db, noon.Add(time.Minute-1), 10); len(taken) != 0 {
			t.Errorf("%d entries were claimed twice", len(taken))
		}
		if left := claim(t, db, noon.Add(time.Minute), 10); len(left) != 1 || left[0].Attempts != 2 {
			t.Errorf("after the lease: %v, want the entry's second attempt", left)
		}
	})
}

func TestARolledBackEntryIsNoPromise(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		err := db.Tx(t.Context(), func(tx *sql.Tx) error {
			if err := store.NewOutbox(db).Insert(t.Context(), tx, entry("a")); err != nil {
				return err
			}
			return fmt.Errorf("mishap")
		})
		if err == nil || len(claim(t, db, noon, 10)) != 0 {
			t.Errorf("error %v, or the entry is there", err)
		}
	})
}

func TestWhatHappensToAClaimedEntry(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, table := t.Context(), store.NewOutbox(db)
		insert(t, db, entry("sent"), entry("unlucky"), entry("hopeless"))
		claim(t, db, noon, 10)
		later := noon.Add(10 * time.Minute)
		if err := table.MarkSent(ctx, noon, "sent"); err != nil {
			t.Fatal(err)
		}
		if err := table.MarkFailed(ctx, "unlucky", "bad \x00 luck", later); err != nil {
			t.Fatal(err)
		}
		if err := table.GiveUp(ctx, "hopeless", "too large", noon); err != nil {
			t.Fatal(err)
		}

		backlog, err := table.Backlog(ctx, noon.Add(5*time.Minute))
		want := outbox.Backlog{Waiting: 1, Oldest: 5 * time.Minute, GivenUp: 1}
		if diff := cmp.Diff(want, backlog); diff != "" || err != nil {
			t.Errorf("backlog: %v\n%s", err, diff)
		}
		if early := claim(t, db, later.Add(-1), 10); len(early) != 0 {
			t.Errorf("claimed before it was due: %v", early)
		}
		if again := claim(t, db, later, 10); len(again) != 1 || again[0].ID != "unlucky" {
			t.Errorf("claimed %v, want the failed one", again)
		}
		if n := count(t, db, "outbox WHERE id = 'sent' AND payload = '{}'"); n != 1 {
			t.Error("the payload of a sent entry is still there")
		}
	})
}

func TestSeveralRelaysClaimEachEntryOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var all []outbox.Entry
		for n := range 100 {
			all = append(all, entry(fmt.Sprintf("e%03d", n)))
		}
		insert(t, db, all...)

		var mu sync.Mutex
		claimed := map[string]int{}
		var relays sync.WaitGroup
		for range 5 {
			relays.Go(func() {
				for {
					entries, err := store.NewOutbox(db).Claim(t.Context(), noon, noon.Add(time.Minute), 7)
					if err != nil {
						t.Error(err)
						return
					}
					// With rows skipped because another relay holds them, none
					// may be left for this one although some are due.
					if len(entries) == 0 {
						return
					}
					mu.Lock()
					for _, e := range entries {
						claimed[e.ID]++
					}
					mu.Unlock()
				}
			})
		}
		relays.Wait()
		for _, e := range claim(t, db, noon, 100) {
			claimed[e.ID]++
		}
		for _, e := range all {
			if claimed[e.ID] != 1 {
				t.Errorf("entry %s was claimed %d times", e.ID, claimed[e.ID])
			}
		}
	})
}

func TestAnUnreadableEntryIsGivenUpAndDoesNotHoldUpOthers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		insert(t, db, entry("bad"), entry("good"))
		exec(t, db, "UPDATE outbox SET options = '{\"colour\":1}' WHERE id = 'bad'")
		if got := claim(t, db, noon, 10); len(got) != 1 || got[0].ID != "good" {
			t.Errorf("claimed %v, want good only", got)
		}
		if n := count(t, db, "outbox WHERE id = 'bad' AND given_up_at IS NOT NULL AND last_error LIKE '%colour%'"); n != 1 {
			t.Error("the unreadable entry was not given up with its reason")
		}
	})
}

func TestInsertRefusesWhatNoQueueWouldTake(t *testing.T) {
	tests := []struct {
		name   string
		change func(*outbox.Entry)
		field  string
	}{
		{"number as id", func(e *outbox.Entry) { e.ID = "12" }, "jobId"},
		{"queue with a colon", func(e *outbox.Entry) { e.Queue = "a:b" }, "queue"},
		{"no name", func(e *outbox.Entry) { e.Name = "" }, "name"},
		{"payload that is not JSON", func(e *outbox.Entry) { e.Payload = []byte("{") }, "payload"},
		{"payload that is too large", func(e *outbox.Entry) { e.Payload = []byte(`"` + strings.Repeat("x", jobs.MaxData) + `"`) }, "payload"},
		{"bad option", func(e *outbox.Entry) { e.Options.Timeout = -1 }, "timeout"},
		{"option without a place", func(e *outbox.Entry) { e.Options.LIFO, e.Options.Priority = true, 0 }, "options"},
	}
	db := storetest.SQLite(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := entry("a")
			test.change(&e)
			err := db.Tx(t.Context(), func(tx *sql.Tx) error { return store.NewOutbox(db).Insert(t.Context(), tx, e) })
			if err == nil || !strings.Contains(err.Error(), test.field) {
				t.Errorf("error %v, want one about %s", err, test.field)
			}
		})
	}
}
