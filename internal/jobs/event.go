package jobs

import (
	"encoding/json"
	"time"
)

// EventType names what happened to a queue or to one of its jobs.
type EventType string

// The events that a queue's stream tells, by their stored names.
const (
	EventAdded            EventType = "added"
	EventWaiting          EventType = "waiting"
	EventDelayed          EventType = "delayed"
	EventWaitingChildren  EventType = "waiting-children"
	EventActive           EventType = "active"
	EventProgress         EventType = "progress"
	EventCompleted        EventType = "completed"
	EventFailed           EventType = "failed"
	EventRetriesExhausted EventType = "retries-exhausted"
	EventStalled          EventType = "stalled"
	EventRemoved          EventType = "removed"
	EventDuplicated       EventType = "duplicated"
	EventDeduplicated     EventType = "deduplicated"
	EventDrained          EventType = "drained"
	EventPaused           EventType = "paused"
	EventResumed          EventType = "resumed"
	EventCleaned          EventType = "cleaned"
)

// Event is one entry of a queue's stream. Fields that a type of event does not
// carry are zero.
type Event struct {
	ID    string // the stream entry's id, "1795422459479-0": where to resume after it
	Type  EventType
	JobID string
	Prev  string // where the job came from, as stored: "active", "waiting", "wait", …

	Name         string          // added: the job's name
	DueAt        time.Time       // delayed
	Data         json.RawMessage // progress
	ReturnValue  json.RawMessage // completed
	FailedReason string          // failed
	AttemptsMade int             // retries-exhausted
	Count        int             // cleaned

	// Fields is the whole entry, for what others write into the stream.
	Fields map[string]string
}
