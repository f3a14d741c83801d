package handlers

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/tandemq/tandem/internal/jobs"
)

// QueueView is a queue with its counts.
type QueueView struct {
	Name string `json:"name" example:"email"`
	Counts
}

// QueueList is all queues.
type QueueList struct {
	Queues []QueueView `json:"queues" nullable:"false"`
}

// JobPage is a part of the jobs of a queue.
type JobPage struct {
	Jobs       []JobView `json:"jobs" nullable:"false"`
	NextCursor string    `json:"nextCursor,omitempty" doc:"For the next page; absent on the last."`
}

type (
	queueListOutput struct{ Body QueueList }
	queueOutput     struct{ Body QueueView }
	jobPageOutput   struct{ Body JobPage }
)

func (a *API) listQueues(ctx context.Context, _ *struct{}) (*queueListOutput, error) {
	names := slices.Sorted(maps.Keys(a.o.Queues))
	views := make([]QueueView, len(names))
	problems := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { views[i], problems[i] = a.queueView(ctx, name) })
	}
	all.Wait()
	return &queueListOutput{QueueList{views}}, errors.Join(problems...)
}

func (a *API) getQueue(ctx context.Context, in *struct {
	Queue string `path:"queue" example:"email"`
}) (*queueOutput, error) {
	view, err := a.queueView(ctx, in.Queue)
	return &queueOutput{view}, err
}

func (a *API) queueView(ctx context.Context, name string) (QueueView, error) {
	reader, ok := a.counts[name]
	if !ok {
		return QueueView{}, problem("not-found", "There is no such queue.")
	}
	counts, err := reader.get(ctx)
	return QueueView{name, counts}, err
}

// listStates are what a page can show. Those that wait are of two kinds to the
// queue and of one to whoever looks.
var listStates = map[string][]jobs.State{
	"waiting":          {jobs.Waiting, jobs.Prioritized},
	"active":           {jobs.Active},
	"completed":        {jobs.Completed},
	"failed":           {jobs.Failed},
	"delayed":          {jobs.Delayed},
	"waiting-children": {jobs.WaitingChildren},
}

func (a *API) listJobs(ctx context.Context, in *struct {
	Queue  string `path:"queue" example:"email"`
	Status string `query:"status" required:"true" enum:"waiting,active,completed,failed,delayed,waiting-children"`
	Cursor string `query:"cursor" maxLength:"200" doc:"The nextCursor of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
}) (*jobPageOutput, error) {
	q, ok := a.o.Queues[in.Queue]
	if !ok {
		return nil, problem("not-found", "There is no such queue.")
	}
	at, err := readCursor(in.Cursor, in.Queue, in.Status)
	if err != nil {
		return nil, err
	}
	page, err := fill(ctx, q, listStates[in.Status], &at, in.Limit)
	if err != nil {
		return nil, err
	}
	return &jobPageOutput{JobPage{Jobs: page, NextCursor: at.next()}}, nil
}

// fill takes up to limit jobs from the states, beginning at a cursor, and moves
// the cursor.
func fill(ctx context.Context, q Finder, states []jobs.State, at *cursor, limit int) ([]JobView, error) {
	views := []JobView{}
	for at.Part < len(states) && len(views) < limit {
		state := states[at.Part]
		page, more, err := q.Page(ctx, state, at.Offset, limit-len(views))
		if err != nil {
			return nil, err
		}
		for _, job := range page {
			views = append(views, viewOf(job, state))
		}
		at.advance(len(page), more)
	}
	at.done = at.Part >= len(states)
	return views, nil
}

// cursor is a place in a list. It is opaque to clients, who get it in base64,
// and holds nothing that they could not ask for anyway.
type cursor struct {
	Queue  string `json:"q"`
	Status string `json:"s"`
	Part   int    `json:"p"` // which of the states
	Offset int    `json:"o"`
	done   bool
}

// maxOffset is how far a list can be read: beyond it, offsets would be slow.
const maxOffset = 1_000_000

func (c *cursor) advance(n int, more bool) {
	c.Offset += n
	if !more || n == 0 {
		c.Part, c.Offset = c.Part+1, 0
	}
}

func (c *cursor) next() string {
	if c.done || c.Offset > maxOffset {
		return ""
	}
	// Strings and numbers always encode.
	text, _ := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString(text)
}

func readCursor(text, queue, status string) (cursor, error) {
	at := cursor{Queue: queue, Status: status}
	if text == "" {
		return at, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	var read cursor
	if err == nil {
		err = json.Unmarshal(raw, &read)
	}
	if err != nil || read.Queue != queue || read.Status != status || read.Part < 0 || read.Offset < 0 || read.Offset > maxOffset {
		return at, jobs.Invalid("cursor", "must be the nextCursor of a page of the same list")
	}
	return read, nil
}
