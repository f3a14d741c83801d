package wire

import (
	"strconv"

	"github.com/tandemq/tandem/internal/jobs"
)

// DecodeEvent reads one entry of a queue's event stream. It never fails: what
// it does not understand stays in Fields.
func DecodeEvent(id string, fields map[string]string) jobs.Event {
	e := jobs.Event{
		ID:           id,
		Type:         jobs.EventType(fields["event"]),
		JobID:        fields["jobId"],
		Prev:         fields["prev"],
		Name:         fields["name"],
		Data:         lenient(fields["data"]),
		ReturnValue:  lenient(fields["returnvalue"]),
		FailedReason: fields["failedReason"],
		AttemptsMade: whole(fields["attemptsMade"]),
		Count:        whole(fields["count"]),
		Fields:       fields,
	}
	if due := whole(fields["delay"]); e.Type == jobs.EventDelayed && due > 0 {
		e.DueAt, _ = moment(int64(due)) // zero when it is none
	}
	return e
}

func whole(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}
