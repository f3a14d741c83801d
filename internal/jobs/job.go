package jobs

import (
	"encoding/json"
	"time"
)

// State says where a job is. It is not stored with the job: it follows from
// the list or set that holds the job's id.
type State string

// The states of a job. Prioritized jobs wait in a set of their own, so they
// are told apart here although a user sees both as waiting.
const (
	Waiting         State = "waiting"
	Prioritized     State = "prioritized"
	Active          State = "active"
	Completed       State = "completed"
	Failed          State = "failed"
	Delayed         State = "delayed"
	WaitingChildren State = "waiting-children"
	Unknown         State = "unknown"
)

// States lists the states that a stored job can be in.
func States() []State {
	return []State{Waiting, Prioritized, Active, Completed, Failed, Delayed, WaitingChildren}
}

// Valid reports whether s is one of States.
func (s State) Valid() bool {
	switch s {
	case Waiting, Prioritized, Active, Completed, Failed, Delayed, WaitingChildren:
		return true
	default:
		return false
	}
}

// Finished reports whether a job in this state has its outcome.
func (s State) Finished() bool { return s == Completed || s == Failed }

// Job is everything the queue knows of one job at one moment.
type Job struct {
	ID    string
	Queue string
	Name  string

	// Data is the payload, Progress the last progress report, ReturnValue the
	// handler's result; each is JSON, and nil when there is none.
	Data        json.RawMessage
	Progress    json.RawMessage
	ReturnValue json.RawMessage

	Options Options

	// Delay and Priority are the live values. Those in Options are the ones
	// the job was added with, and stay as they were.
	Delay    time.Duration
	Priority int

	Timestamp   time.Time // when the job was added
	ProcessedOn time.Time // when its latest attempt started; zero before the first
	FinishedOn  time.Time // when it completed or failed; zero before

	AttemptsMade    int // attempts that ended, with success or failure
	AttemptsStarted int // attempts that began: more than made after stalls, snoozes and hand-backs
	StalledCount    int // times the job was taken back from a worker that had died

	FailedReason string   // why the latest failed attempt failed; kept after a later success
	Stacktrace   []string // one text for each failed attempt, the oldest first
	ProcessedBy  string   // name of the worker that ran the latest attempt

	DeferredFailure string // the job is to fail with this reason instead of running
	ParentKey       string // full key of the parent job in a flow
	SchedulerID     string // the job scheduler that made this job
	DeduplicationID string

	// Trace is the propagation carrier of the producer's trace, when it had one.
	Trace string
}

// MaxAttempts is how many attempts the job may make in all.
func (j *Job) MaxAttempts() int { return max(1, j.Options.Attempts) }

// DueAt is when a delayed job's delay ends, counted from when it was added.
func (j *Job) DueAt() time.Time { return j.Timestamp.Add(j.Delay) }
