package export

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Sweeper removes the files of expired artifacts, of whatever kind. The rows
// stay, so that a late download is told that its file has expired.
type Sweeper struct {
	files     Files
	artifacts Artifacts
	grace     time.Duration
}

// NewSweeper makes a sweeper. grace is how long a file outlives its expiry, so
// that a download which began in time can end; 0 is 15 minutes.
func NewSweeper(files Files, artifacts Artifacts, grace time.Duration) *Sweeper {
	if grace == 0 {
		grace = 15 * time.Minute
	}
	return &Sweeper{files: files, artifacts: artifacts, grace: grace}
}

// sweepBatch bounds one sweep; the next one takes what is left.
const sweepBatch = 500

// Sweep removes at most one batch, and returns how many are gone and whether
// there may be more. A file that cannot be removed does not keep the others:
// their errors are joined, and it is tried again next time.
func (s *Sweeper) Sweep(ctx context.Context, now time.Time) (removed int, more bool, err error) {
	expired, err := s.artifacts.Expired(ctx, now.Add(-s.grace), sweepBatch)
	if err != nil {
		return 0, false, fmt.Errorf("sweep artifacts: %w", err)
	}
	var errs []error
	for _, a := range expired {
		if ctx.Err() != nil {
			return removed, true, errors.Join(append(errs, context.Cause(ctx))...)
		}
		if err := s.remove(ctx, a, now); err != nil {
			errs = append(errs, err)
			continue
		}
		removed++
	}
	return removed, len(expired) == sweepBatch && removed > 0, errors.Join(errs...)
}

// remove deletes the file first: a row that says "deleted" is never wrong.
func (s *Sweeper) remove(ctx context.Context, a Artifact, now time.Time) error {
	if err := s.files.Delete(ctx, a.StorageKey); err != nil {
		return fmt.Errorf("sweep artifact %s: %w", a.ID, err)
	}
	if err := s.artifacts.MarkDeleted(ctx, a.ID, now); err != nil {
		return fmt.Errorf("sweep artifact %s: %w", a.ID, err)
	}
	return nil
}
