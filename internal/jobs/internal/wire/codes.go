package wire

import (
	"fmt"

	"github.com/tandemq/tandem/internal/jobs"
)

// Code is a script's answer about one job: 0 or more is success. The negative
// ones have the numbers that BullMQ gives them.
type Code int

// The answers of scripts.
const (
	OK                Code = 0
	MissingJob        Code = -1
	MissingLock       Code = -2
	NotInState        Code = -3
	PendingChildren   Code = -4
	MissingParent     Code = -5
	ForeignLock       Code = -6
	ParentConflict    Code = -7
	SchedulerJob      Code = -8
	FailedChildren    Code = -9
	Locked            Code = -100 // ours: removal of a job that is being worked on
	NotPaused         Code = -101
	HasActive         Code = -102
	SchedulerConflict Code = -10
)

var meanings = map[Code]error{
	MissingJob:        jobs.ErrNotFound,
	MissingLock:       fmt.Errorf("%w: the lease ran out", jobs.ErrLockLost),
	NotInState:        jobs.ErrNotInState,
	PendingChildren:   jobs.ErrPendingChildren,
	MissingParent:     jobs.ErrParentMissing,
	ForeignLock:       fmt.Errorf("%w: another worker has it", jobs.ErrLockLost),
	ParentConflict:    jobs.ErrParentConflict,
	SchedulerJob:      jobs.ErrSchedulerJob,
	FailedChildren:    jobs.ErrFailedChildren,
	Locked:            jobs.ErrLocked,
	NotPaused:         jobs.ErrNotPaused,
	HasActive:         jobs.ErrActiveJobs,
	SchedulerConflict: jobs.ErrSchedulerJob,
}

// Err is the meaning of a negative code, and nil for success.
func (c Code) Err() error {
	if c >= 0 {
		return nil
	}
	if err, ok := meanings[c]; ok {
		return err
	}
	return fmt.Errorf("script answered with the unknown code %d", int(c))
}
