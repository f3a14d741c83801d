package handlers

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/tandemq/tandem/internal/jobs"
)

// endID is the id of the last message of a stream. A browser that reconnects
// with it is told that there is nothing more.
const endID = "end"

// streamEvent is what a message of the stream carries.
type streamEvent struct {
	JobID    string          `json:"jobId"`
	Queue    string          `json:"queue"`
	Status   string          `json:"status,omitempty"`
	Progress json.RawMessage `json:"progress,omitempty"`
	Reason   string          `json:"failedReason,omitempty"`
	DueAt    *time.Time      `json:"runAt,omitempty"`
}

// streamJob tells what happens to a job, as server-sent events, until it is
// finished or Options.StreamLife is over:
//
//	event: job       the job as GET shows it: at the beginning, and whenever
//	                 events were missed
//	event: active, progress, delayed, …   with the stream's own id
//	event: end       the job as it is at the end
func (a *API) streamJob(w http.ResponseWriter, r *http.Request) {
	queue, id := param(r, "queue"), param(r, "id")
	if _, ok := a.o.Queues[queue]; !ok {
		a.writeProblem(w, r, problem("not-found", "There is no such queue."))
		return
	}
	if r.Header.Get("Last-Event-ID") == endID {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	watch := a.watchers.watch(queue, id)
	defer watch.stop()
	view, err := a.find(r.Context(), queue, id)
	if err != nil {
		a.writeProblem(w, r, err)
		return
	}
	s := &stream{api: a, w: w, r: r, control: http.NewResponseController(w), queue: queue, id: id}
	// A client that has gone ends its stream; there is nobody to tell.
	_ = s.run(watch, view)
}

// stream is one client's connection.
type stream struct {
	api       *API
	w         http.ResponseWriter
	r         *http.Request
	control   *http.ResponseController
	queue, id string
	view      JobView // as it was sent last
	last      string  // id of the latest event that was sent

	// While Redis does not answer, the look that an event asks for is owed.
	owed  jobs.Event
	again <-chan time.Time // when to try it; nil when none is owed
}

// lookAgain is how soon a look at a job is tried again.
const lookAgain = time.Second

var errStreamEnds = errors.New("the stream has ended")

func (s *stream) run(watch *watch, view JobView) error {
	s.w.Header().Set("Content-Type", "text/event-stream")
	s.w.Header().Set("Cache-Control", "no-store, no-transform")
	s.w.Header().Set("X-Accel-Buffering", "no")
	s.w.WriteHeader(http.StatusOK)
	if err := s.begin(view); err != nil {
		return err
	}
	s.api.metrics.waiting.Inc()
	defer s.api.metrics.waiting.Dec()
	heartbeat, over := time.NewTicker(s.api.o.Heartbeat), time.NewTimer(s.api.o.StreamLife)
	defer heartbeat.Stop()
	defer over.Stop()
	for {
		if err := s.step(watch, heartbeat.C, over.C); err != nil {
			return err
		}
	}
}

// begin tells what the client missed since its last connection, and where the
// job stands.
func (s *stream) begin(view JobView) error {
	missed, err := s.api.watchers.since(s.queue, s.id, s.r.Header.Get("Last-Event-ID"))
	if err == nil {
		for _, e := range missed {
			if err := s.tell(e); err != nil {
				return err
			}
		}
	}
	return s.show(view)
}

func (s *stream) step(watch *watch, heartbeat, over <-chan time.Time) error {
	select {
	case e := <-watch.events:
		return s.event(e)
	case <-s.again:
		return s.look(s.owed)
	case <-heartbeat:
		return s.write(": still here\n\n")
	case <-over:
		return s.leave()
	case <-s.api.watchers.stopping:
		return s.leave()
	case <-s.r.Context().Done():
		return s.r.Context().Err()
	}
}

// leave ends a stream whose job goes on: the client is to come back in a second,
// with the id of the last event that it saw.
func (s *stream) leave() error {
	_ = s.write("retry: 1000\n\n")
	return errStreamEnds
}

// event passes an event on. After one that may have been the last, the job
// itself says whether it was.
func (s *stream) event(e jobs.Event) error {
	if e.Type != eventUnsure {
		if err := s.tell(e); err != nil {
			return err
		}
	}
	if !decides(e.Type) {
		return nil
	}
	return s.look(e)
}

// look shows the job as it is after an event.
func (s *stream) look(e jobs.Event) error {
	view, err := s.api.after(s.r.Context(), s.view, e)
	if err != nil && problemOf(err).Status == http.StatusNotFound {
		_ = s.send(endID, "end", streamEvent{JobID: s.id, Queue: s.queue, Status: "removed"})
		return errStreamEnds
	}
	if err != nil { // no other event may come: this one can have been the last
		s.owed, s.again = e, time.After(lookAgain)
		return nil
	}
	s.again = nil
	return s.show(view)
}

// show sends the whole job, and ends the stream when it is finished.
func (s *stream) show(view JobView) error {
	s.view = view
	if !view.finished() {
		return s.send("", "job", view)
	}
	_ = s.send(endID, "end", view)
	return errStreamEnds
}

// tell sends one event. An event comes twice when it is in the queue's memory
// and in the watch; its id shows that.
func (s *stream) tell(e jobs.Event) error {
	if e.ID != "" && !later(e.ID, s.last) {
		return nil
	}
	s.last = e.ID
	return s.send(e.ID, string(e.Type), streamEvent{
		JobID: e.JobID, Queue: s.queue, Status: statusAfter(e.Type),
		Progress: progressOf(e), Reason: e.FailedReason, DueAt: moment(e.DueAt),
	})
}

func progressOf(e jobs.Event) json.RawMessage {
	if e.Type != jobs.EventProgress {
		return nil
	}
	return orNull(e.Data)
}

// statusAfter is where a job is after an event; "" when that does not follow.
func statusAfter(t jobs.EventType) string {
	switch t {
	case jobs.EventWaiting, jobs.EventActive, jobs.EventDelayed, jobs.EventCompleted, jobs.EventFailed, jobs.EventWaitingChildren:
		return string(t)
	}
	return ""
}

// later compares the ids of stream entries, "ms-n".
func later(id, than string) bool {
	if than == "" {
		return true
	}
	ms, n, _ := strings.Cut(id, "-")
	otherMs, otherN, _ := strings.Cut(than, "-")
	if ms != otherMs {
		return longerOrAfter(ms, otherMs)
	}
	return longerOrAfter(n, otherN)
}

func longerOrAfter(a, b string) bool {
	if len(a) != len(b) {
		return len(a) > len(b)
	}
	return a > b
}

func (s *stream) send(id, event string, data any) error {
	body, err := json.Marshal(data)
	if err != nil {
		return err
	}
	var text strings.Builder
	if id != "" {
		text.WriteString("id: " + oneLine(id) + "\n")
	}
	text.WriteString("event: " + oneLine(event) + "\ndata: ")
	text.Write(body) // JSON has no line breaks
	text.WriteString("\n\n")
	return s.write(text.String())
}

// oneLine keeps an event that somebody else wrote into the stream from writing
// messages of its own.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return -1
		}
		return r
	}, text)
}

func (s *stream) write(text string) error {
	// A server without deadlines, as in tests, cannot move one.
	_ = s.control.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.control.Flush()
}

// param is a part of the path, unescaped.
func param(r *http.Request, name string) string {
	return unescape(chi.URLParam(r, name), r.URL.RawPath != "")
}
