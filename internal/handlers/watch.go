package handlers

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
)

// eventUnsure tells a watcher that events may have been missed, and that the job
// has to be looked at.
const eventUnsure jobs.EventType = "unsure"

// watchers let many clients watch jobs over one stream per queue. The stream of
// a queue is opened when somebody first asks, and stays open.
//
//	Redis ──events──▶ follower (one goroutine per queue) ──▶ watch (a job's) ──▶ client
//	                                                     └──▶ watch …
//
// A watch that is slow loses events and is told so with eventUnsure; the others
// do not wait for it.
type watchers struct {
	follow Follower
	log    *slog.Logger
	now    func() time.Time

	ctx      context.Context // of the followers
	cancel   context.CancelFunc
	running  sync.WaitGroup
	stopping chan struct{} // closed when the server stops
	stopOnce sync.Once

	mu     sync.Mutex
	queues map[string]*watchedQueue
}

// watchedQueue is guarded by the mutex of its watchers.
type watchedQueue struct {
	byJob  map[string]map[*watch]bool
	recent ring
}

// watch is one client's view of one job.
type watch struct {
	events chan jobs.Event
	stop   func()
}

// watchBuffer is how many events of one job may wait for a slow client.
const watchBuffer = 64

func newWatchers(follow Follower, log *slog.Logger, now func() time.Time) *watchers {
	ctx, cancel := context.WithCancel(context.Background())
	return &watchers{
		follow: follow, log: log, now: now, ctx: ctx, cancel: cancel,
		stopping: make(chan struct{}), queues: map[string]*watchedQueue{},
	}
}

// watch begins to watch a job. Everything that happens after it returns is told.
func (w *watchers) watch(queue, id string) *watch {
	w.mu.Lock()
	defer w.mu.Unlock()
	q := w.queueOf(queue)
	one := &watch{events: make(chan jobs.Event, watchBuffer)}
	if q.byJob[id] == nil {
		q.byJob[id] = map[*watch]bool{}
	}
	q.byJob[id][one] = true
	one.stop = func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if delete(q.byJob[id], one); len(q.byJob[id]) == 0 {
			delete(q.byJob, id)
		}
	}
	return one
}

// queueOf returns the state of a queue, and starts its follower if need be.
func (w *watchers) queueOf(name string) *watchedQueue {
	q := w.queues[name]
	if q != nil {
		return q
	}
	q = &watchedQueue{byJob: map[string]map[*watch]bool{}}
	w.queues[name] = q
	if w.follow != nil && w.ctx.Err() == nil {
		// A moment back: the stream is opened after this returns, and by a clock
		// that may differ from ours.
		from := strconv.FormatInt(w.now().Add(-10*time.Second).UnixMilli(), 10)
		w.running.Go(func() { w.run(name, q, from) })
	}
	return q
}

// run passes the events of a queue on until the watchers are closed.
func (w *watchers) run(name string, q *watchedQueue, from string) {
	interrupted := false // and logged
	for w.ctx.Err() == nil {
		for event, err := range w.follow(w.ctx, name, from) {
			if err != nil {
				w.unsure(q)
				if !interrupted && w.ctx.Err() == nil {
					w.log.LogAttrs(w.ctx, slog.LevelWarn, "events interrupted", slog.String("queue", name), slog.Any("error", err))
				}
				interrupted = true
				continue
			}
			interrupted = false
			from = event.ID
			w.pass(q, event)
		}
		w.pause()
	}
}

// pause keeps a follower that ends at once from being restarted in a circle.
func (w *watchers) pause() {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.ctx.Done():
	}
}

func (w *watchers) pass(q *watchedQueue, event jobs.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	q.recent.add(event)
	for one := range q.byJob[event.JobID] {
		one.offer(event)
	}
}

// unsure has everybody look at their jobs.
func (w *watchers) unsure(q *watchedQueue) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, all := range q.byJob {
		for one := range all {
			one.offer(jobs.Event{Type: eventUnsure, JobID: id})
		}
	}
}

// offer gives an event to a watch without waiting for it. When there is no room,
// the oldest makes way, and what was lost is made up for by a look at the job.
func (o *watch) offer(event jobs.Event) {
	select {
	case o.events <- event:
		return
	default:
	}
	select {
	case <-o.events:
	default:
	}
	select {
	case o.events <- jobs.Event{Type: eventUnsure, JobID: event.JobID}:
	default:
	}
}

// since returns the events of a job behind one that was seen, if it is still
// remembered.
func (w *watchers) since(queue, id, seen string) ([]jobs.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.queueOf(queue).recent.since(id, seen)
}

// drain lets everybody who waits be answered now.
func (w *watchers) drain() { w.stopOnce.Do(func() { close(w.stopping) }) }

// close ends the followers and waits for them.
func (w *watchers) close() {
	w.drain()
	w.mu.Lock() // so that no follower starts from here on
	w.cancel()
	w.mu.Unlock()
	w.running.Wait()
}

// ring keeps the latest events of a queue, for clients that come back.
type ring struct {
	events []jobs.Event
	next   int
}

const ringSize = 2048

func (r *ring) add(e jobs.Event) {
	e.Fields, e.ReturnValue = nil, nil // what is shown comes from the job
	if len(r.events) < ringSize {
		r.events = append(r.events, e)
		return
	}
	r.events[r.next] = e
	r.next = (r.next + 1) % ringSize
}

var errForgotten = errors.New("the event is not remembered")

// since returns the events of a job behind the one with the id seen.
func (r *ring) since(job, seen string) ([]jobs.Event, error) {
	var later []jobs.Event
	found := false
	for i := range r.events {
		e := r.events[(r.next+i)%len(r.events)]
		if found && e.JobID == job {
			later = append(later, e)
		}
		found = found || e.ID == seen
	}
	if !found {
		return nil, errForgotten
	}
	return later, nil
}
