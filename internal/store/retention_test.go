package store_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/store"
	"github.com/tandemq/tandem/internal/store/storetest"
)

func TestSweepDeletesWhatIsOldAndNothingElse(t *testing.T) {
	const day = 24 * time.Hour
	keep := store.Retention{Runs: day, Emails: day, Artifacts: day, Outbox: day, Audit: day, Tokens: day}
	// Each statement inserts a row with one time, which is $2.
	tests := []struct {
		table, insert string
		age           time.Duration // from which on it is deleted
	}{
		{"job_runs", "INSERT INTO job_runs (id, queue, job_id, job_name, attempt, status, queued_at, started_at, finished_at, wait_ms, duration_ms) VALUES ($1, 'q', 'j', 'n', 1, 'failed', 0, 0, $2, 0, 0)", day},
		{"email_messages", "INSERT INTO email_messages (id, template, address_hash, address_masked, status, created_at) VALUES ($1, 't', 'h', 'm', 'sent', $2)", day},
		{"artifacts", "INSERT INTO artifacts (id, kind, storage_key, filename, content_type, bytes, sha256, job_id, created_at, expires_at, deleted_at) VALUES ($1, 'report', '', '', '', 0, '', '', 0, 0, $2)", day},
		{"outbox", "INSERT INTO outbox (id, queue, name, payload, created_at, next_at, sent_at) VALUES ($1, 'q', 'n', '{}', 0, 0, $2)", day},
		{"outbox", "INSERT INTO outbox (id, queue, name, payload, created_at, next_at, given_up_at) VALUES ($1, 'q', 'n', '{}', 0, 0, $2)", 4 * day},
		{"audit_log", "INSERT INTO audit_log (id, at, actor, action, target) VALUES ($1, $2, '', '', '')", day},
		{"verification_tokens", "INSERT INTO verification_tokens (token_hash, user_id, created_at, expires_at) VALUES ($1, 'u', 0, $2)", day},
		{"idempotency", "INSERT INTO idempotency (key_hash, body_hash, state, owner, lease_until, created_at, expires_at) VALUES ($1, '', 'done', '', 0, 0, $2)", 0},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		exec(t, db, "INSERT INTO users (id, name, email, password_hash, status, created_at) VALUES ('u', 'n', 'e', 'h', 'active', 0)")
		sweeper := store.NewSweeper(db, store.SweeperOptions{Keep: keep, Now: func() time.Time { return noon }})
		for n, test := range tests {
			limit := noon.Add(-test.age)
			exec(t, db, test.insert, fmt.Sprintf("old%d", n), limit.Add(-time.Millisecond).UnixMilli())
			exec(t, db, test.insert, fmt.Sprintf("young%d", n), limit.UnixMilli())
		}
		deleted, err := sweeper.Sweep(t.Context())
		if err != nil || deleted != int64(len(tests)) {
			t.Errorf("%d deleted, %v; want %d", deleted, err, len(tests))
		}
		for n, test := range tests {
			key, _, _ := strings.Cut(test.insert[strings.Index(test.insert, "(")+1:], ",")
			if got := count(t, db, test.table+" WHERE "+key+" = $1", fmt.Sprintf("young%d", n)); got != 1 {
				t.Errorf("%s: the young row is gone", test.table)
			}
		}
	})
}

func TestSweepKeepsWhatIsStillInUse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		insert(t, db, entry("waiting"))
		if err := store.NewArtifacts(db).Create(t.Context(), artifact("there")); err != nil {
			t.Fatal(err)
		}
		muchLater := func() time.Time { return noon.AddDate(10, 0, 0) }
		if deleted, err := store.NewSweeper(db, store.SweeperOptions{Now: muchLater}).Sweep(t.Context()); err != nil || deleted != 0 {
			t.Errorf("%d deleted, %v; want none", deleted, err)
		}
	})
}

func TestNegativeRetentionKeepsForEver(t *testing.T) {
	db := storetest.SQLite(t)
	exec(t, db, "INSERT INTO audit_log (id, at, actor, action, target) VALUES ('a', 0, '', '', '')")
	if _, err := store.NewSweeper(db, store.SweeperOptions{Keep: store.Retention{Audit: -1}}).Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if count(t, db, "audit_log") != 1 {
		t.Error("the row is gone")
	}
}

func TestOneSweepIsBounded(t *testing.T) {
	db := storetest.SQLite(t)
	exec(t, db, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20100)
		INSERT INTO audit_log (id, at, actor, action, target) SELECT i, 0, '', '', '' FROM n`)
	sweeper := store.NewSweeper(db, store.SweeperOptions{})
	for _, want := range []int64{20_000, 100, 0} {
		if deleted, err := sweeper.Sweep(t.Context()); err != nil || deleted != want {
			t.Errorf("%d deleted, %v; want %d", deleted, err, want)
		}
	}
}

func TestTheSweeperSweepsAtOnce(t *testing.T) {
	db := storetest.SQLite(t)
	exec(t, db, "INSERT INTO audit_log (id, at, actor, action, target) VALUES ('a', 0, '', '', '')")
	sweeper := store.NewSweeper(db, store.SweeperOptions{})
	stop := start(t, func(ctx context.Context) error { return sweeper.Run(ctx, time.Hour) })
	eventually(t, "the row goes", func() bool { return count(t, db, "audit_log") == 0 })
	stop()
}
