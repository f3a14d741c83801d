package store

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Retention says how long rows are kept. For each, 0 is the default and a
// negative value keeps them for ever.
type Retention struct {
	Runs      time.Duration // job_runs, after the attempt ended; 0 is 90 days
	Emails    time.Duration // email_messages; 0 is 90 days
	Artifacts time.Duration // rows whose file is deleted; 0 is 30 days
	Outbox    time.Duration // sent entries; 0 is 7 days. Given up ones stay four times as long
	Audit     time.Duration // 0 is 400 days
	Tokens    time.Duration // verification tokens, after they expired; 0 is 30 days
}

const day = 24 * time.Hour

// Sweeper deletes what is older than its retention.
type Sweeper struct {
	db     *DB
	rules  []rule
	logger *slog.Logger
	now    func() time.Time
}

// SweeperOptions tune a Sweeper. The zero value is fine.
type SweeperOptions struct {
	Keep   Retention
	Logger *slog.Logger     // nil is silent
	Now    func() time.Time // nil is time.Now
}

// rule deletes the rows of table whose column is before now − keep. Rows
// without a value there stay.
type rule struct {
	table, key, column string
	keep               time.Duration
}

const (
	sweepBatch   = 500 // rows in one DELETE, so that no lock is held for long
	sweepBatches = 40  // per table and sweep; the rest waits for the next
)

// NewSweeper returns a sweeper of db.
func NewSweeper(db *DB, o SweeperOptions) *Sweeper {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Sweeper{db: db, rules: o.Keep.rules(), logger: o.Logger, now: o.Now}
}

func (r Retention) rules() []rule {
	outbox := orDefault(r.Outbox, 7*day)
	return []rule{
		{"job_runs", "id", "finished_at", orDefault(r.Runs, 90*day)},
		{"email_messages", "id", "created_at", orDefault(r.Emails, 90*day)},
		{"artifacts", "id", "deleted_at", orDefault(r.Artifacts, 30*day)},
		{"outbox", "id", "sent_at", outbox},
		{"outbox", "id", "given_up_at", 4 * outbox},
		{"audit_log", "id", "at", orDefault(r.Audit, 400*day)},
		{"verification_tokens", "token_hash", "expires_at", orDefault(r.Tokens, 30*day)},
		{"idempotency", "key_hash", "expires_at", 0}, // the row knows its end
	}
}

func orDefault(d, standard time.Duration) time.Duration {
	if d == 0 {
		return standard
	}
	return d
}

// Run sweeps at once and then every so often, until ctx is cancelled. A sweep
// that fails is logged and tried again the next time.
func (s *Sweeper) Run(ctx context.Context, every time.Duration) error {
	for {
		deleted, err := s.Sweep(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			s.logger.WarnContext(ctx, "old rows not deleted, will retry", "error", err, "retry_in", every)
		case deleted > 0:
			s.logger.InfoContext(ctx, "old rows deleted", "rows", deleted)
		}
		if !pause(ctx, every) {
			return nil
		}
	}
}

// Sweep deletes at most 20,000 old rows of each table and returns how many it
// deleted in all.
func (s *Sweeper) Sweep(ctx context.Context) (int64, error) {
	var total int64
	for _, r := range s.rules {
		n, err := s.apply(ctx, r)
		total += n
		if err != nil {
			return total, fmt.Errorf("sweep %s: %w", r.table, err)
		}
	}
	return total, nil
}

func (s *Sweeper) apply(ctx context.Context, r rule) (int64, error) {
	if r.keep < 0 {
		return 0, nil
	}
	before := millis(s.now().Add(-r.keep))
	var total int64
	for range sweepBatches {
		n, err := s.deleteBatch(ctx, r, before)
		total += n
		if err != nil || n < sweepBatch {
			return total, err
		}
	}
	return total, nil
}

func (s *Sweeper) deleteBatch(ctx context.Context, r rule, before int64) (int64, error) {
	old := "SELECT " + r.key + " FROM " + r.table + " WHERE " + r.column + " IS NOT NULL AND " + r.column + " < $1" +
		" ORDER BY " + r.column + " LIMIT $2" + s.db.dialect.skipLocked()
	result, err := s.db.Write.ExecContext(ctx,
		"WITH old AS ("+old+") DELETE FROM "+r.table+" WHERE "+r.key+" IN (SELECT "+r.key+" FROM old)", before, sweepBatch)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
