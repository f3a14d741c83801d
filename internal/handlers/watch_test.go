package handlers_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/handlers"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/redistest"
)

func TestManyWhoWaitAreWokenByOneStream(t *testing.T) {
	t.Parallel()
	var followers atomic.Int64
	reads := newReadCounter()
	s := start(t, redistest.Shared(t), func(o *handlers.Options) {
		follow := o.Follow
		o.Follow = func(ctx context.Context, queue, from string) iter.Seq2[jobs.Event, error] {
			followers.Add(1)
			return follow(ctx, queue, from)
		}
		reads.Queue = o.Queues["report"]
		o.Queues["report"] = reads
	})
	queued := decode[handlers.Queued](t, s.do("POST", "/api/v1/reports", goodReport).want(t, 202))
	const clients = 20
	var all sync.WaitGroup
	views := make([]answer, clients)
	for i := range views {
		all.Go(func() { views[i], _ = s.ask("GET", queued.StatusURL+"?wait=30s", "") })
	}
	reads.await(t, clients)
	w := s.work("report")
	w.take()
	w.finish <- nil
	all.Wait()
	for _, a := range views {
		if v := decode[handlers.JobView](t, a.want(t, 200)); v.Status != "completed" {
			t.Errorf("woken while it is %s", v.Status)
		}
	}
	if n := followers.Load(); n != 1 {
		t.Errorf("%d streams", n)
	}
	if n := reads.n.Load(); n > 3*clients {
		t.Errorf("%d reads for %d clients", n, clients)
	}
}

// readCounter counts how often jobs are read, and tells of each time.
type readCounter struct {
	handlers.Queue
	n    atomic.Int64
	read chan struct{}
}

func newReadCounter() *readCounter { return &readCounter{read: make(chan struct{}, 1000)} }

func (c *readCounter) Get(ctx context.Context, id string) (*jobs.Job, jobs.State, error) {
	defer func() {
		c.n.Add(1)
		c.read <- struct{}{}
	}()
	return c.Queue.Get(ctx, id)
}

// await waits for n more reads.
func (c *readCounter) await(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		select {
		case <-c.read:
		case <-time.After(20 * time.Second):
			t.Fatalf("%d reads of %d", i, n)
		}
	}
}

func TestWhoeverWaitsLooksAgainWhenEventsWereMissed(t *testing.T) {
	t.Parallel()
	reads, missed := newReadCounter(), make(chan error)
	s := start(t, redistest.Shared(t), func(o *handlers.Options) {
		reads.Queue = o.Queues["report"]
		o.Queues["report"] = reads
		o.Follow = func(ctx context.Context, _, _ string) iter.Seq2[jobs.Event, error] {
			return func(yield func(jobs.Event, error) bool) {
				for {
					select {
					case err := <-missed:
						if !yield(jobs.Event{}, err) {
							return
						}
					case <-ctx.Done():
						return
					}
				}
			}
		}
	})
	queued := decode[handlers.Queued](t, s.do("POST", "/api/v1/reports", goodReport).want(t, 202))
	done := make(chan answer, 1)
	go func() {
		a, err := s.ask("GET", queued.StatusURL+"?wait=60s", "")
		if err != nil {
			t.Error(err)
		}
		done <- a
	}()
	reads.await(t, 1)
	w := s.work("report")
	w.take()
	missed <- jobs.ErrUnavailable // a look that finds it active
	reads.await(t, 1)
	w.finish <- nil
	for {
		select {
		case missed <- errors.New("gap"):
		case a := <-done:
			if v := decode[handlers.JobView](t, a.want(t, 200)); v.Status != "completed" {
				t.Errorf("woken while it is %s", v.Status)
			}
			if n := strings.Count(s.logs.String(), "events interrupted"); n != 1 {
				t.Errorf("the interruption is logged %d times", n)
			}
			return
		}
	}
}

func TestWaitingEndsWithItsTime(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	queued := decode[handlers.Queued](t, s.do("POST", "/api/v1/emails", goodEmail).want(t, 202))
	for _, wait := range []string{"50ms", "1", "0"} {
		if v := s.view(queued.StatusURL + "?wait=" + wait); v.Status != "waiting" {
			t.Errorf("it is %s", v.Status)
		}
	}
}

func TestWaitingEndsWhenTheServerDrains(t *testing.T) {
	t.Parallel()
	reads := newReadCounter()
	s := start(t, redistest.Shared(t), func(o *handlers.Options) {
		reads.Queue = o.Queues["email"]
		o.Queues["email"] = reads
	})
	queued := decode[handlers.Queued](t, s.do("POST", "/api/v1/emails", goodEmail).want(t, 202))
	done := make(chan answer, 1)
	go func() {
		a, err := s.ask("GET", queued.StatusURL+"?wait=60s", "")
		if err != nil {
			t.Error(err)
		}
		done <- a
	}()
	stream := s.stream(queued.StatusURL)
	stream.next("job")
	reads.await(t, 2)
	s.api.Drain()
	if v := decode[handlers.JobView](t, (<-done).want(t, 200)); v.Status != "waiting" {
		t.Errorf("it is %s", v.Status)
	}
	stream.ends()
}

// stream is a client of server-sent events.
type stream struct {
	t     *testing.T
	lines *bufio.Scanner
	id    string // of the latest message
}

func (s *service) stream(path string, header ...string) *stream {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), "GET", s.server.URL+path+"/events", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("X-API-Key", fullKey)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = response.Body.Close() })
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != "text/event-stream" {
		s.t.Fatalf("status %d, %v", response.StatusCode, response.Header)
	}
	return &stream{t: s.t, lines: bufio.NewScanner(response.Body)}
}

// next reads messages up to one of a type and returns its data.
func (c *stream) next(event string) map[string]any {
	c.t.Helper()
	var got string
	for c.lines.Scan() {
		key, value, _ := strings.Cut(c.lines.Text(), ": ")
		switch key {
		case "id":
			c.id = value
		case "event":
			got = value
		case "data":
			if got == event {
				var data map[string]any
				if err := json.Unmarshal([]byte(value), &data); err != nil {
					c.t.Fatal(err)
				}
				return data
			}
		}
	}
	c.t.Fatalf("the stream ended before %q: %v", event, c.lines.Err())
	return nil
}

func (c *stream) ends() {
	c.t.Helper()
	for c.lines.Scan() {
	}
	if err := c.lines.Err(); err != nil {
		c.t.Errorf("the stream broke off: %v", err)
	}
}

func TestAStreamTellsAJobsLifeAndEnds(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	queued := decode[handlers.Queued](t, s.do("POST", "/api/v1/reports", goodReport).want(t, 202))
	c := s.stream(queued.StatusURL)
	if view := c.next("job"); view["status"] != "waiting" || view["id"] != queued.JobID {
		t.Errorf("first %v", view)
	}
	w := s.work("report")
	w.take()
	if e := c.next("active"); e["jobId"] != queued.JobID || e["status"] != "active" {
		t.Errorf("active %v", e)
	}
	w.progress <- map[string]int{"percent": 40}
	if e := c.next("progress"); fmt.Sprint(e["progress"]) != "map[percent:40]" {
		t.Errorf("progress %v", e)
	}
	w.finish <- nil
	if view := c.next("end"); view["status"] != "completed" || fmt.Sprint(view["result"]) != "map[ok:true]" {
		t.Errorf("end %v", view)
	}
	c.ends()
	s.do("GET", queued.StatusURL+"/events", "", "Last-Event-ID", c.id).want(t, 204)
	again := s.stream(queued.StatusURL) // a client that comes late gets the end at once
	again.next("end")
	again.ends()
}

func TestAFailureThatWillBeTriedAgainDoesNotEndTheStream(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	body := strings.TrimSuffix(goodReport, "}") + `,"options":{"maxAttempts":2,"backoff":{"type":"fixed","delay":1}}}`
	queued := decode[handlers.Queued](t, s.do("POST", "/api/v1/reports", body).want(t, 202))
	c := s.stream(queued.StatusURL)
	c.next("job")
	w := s.work("report")
	for range 2 {
		w.take()
		c.next("active")
		w.finish <- errors.New("the printer is on fire")
	}
	if view := c.next("end"); view["status"] != "failed" || view["failedReason"] != "the printer is on fire" || view["attemptsMade"] != 2.0 {
		t.Errorf("end %v", view)
	}
}

func TestAStreamGoesOnBehindTheLastEvent(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	queued := decode[handlers.Queued](t, s.do("POST", "/api/v1/reports", goodReport).want(t, 202))
	first := s.stream(queued.StatusURL)
	first.next("job")
	w := s.work("report")
	w.take()
	first.next("active")
	w.progress <- 1
	first.next("progress")
	seen := first.id
	w.progress <- 2
	first.next("progress")
	second := s.stream(queued.StatusURL, "Last-Event-ID", seen)
	if e := second.next("progress"); e["progress"] != 2.0 {
		t.Errorf("after %s: %v", seen, e)
	}
	second.next("job")
	w.finish <- nil
	second.next("end")
}

func TestAStreamShowsSignsOfLife(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t), func(o *handlers.Options) { o.Heartbeat = 20 * time.Millisecond })
	queued := decode[handlers.Queued](t, s.do("POST", "/api/v1/emails", goodEmail).want(t, 202))
	c := s.stream(queued.StatusURL)
	for beats := 0; beats < 3 && c.lines.Scan(); {
		if strings.HasPrefix(c.lines.Text(), ":") {
			beats++
		}
	}
	if err := c.lines.Err(); err != nil {
		t.Error(err)
	}
}

func TestAStreamEndsAlthoughRedisFailedAtTheEndOfTheJob(t *testing.T) {
	t.Parallel()
	var away atomic.Bool
	failed := make(chan struct{}, 100)
	reports := &watched{deadlines: map[time.Time]int{}, get: func() error {
		if !away.Load() {
			return nil
		}
		failed <- struct{}{}
		return jobs.ErrUnavailable
	}}
	s := start(t, redistest.Shared(t), func(o *handlers.Options) {
		reports.Queue = o.Queues["report"]
		o.Queues["report"] = reports
	})
	queued := decode[handlers.Queued](t, s.do("POST", "/api/v1/reports", goodReport).want(t, 202))
	c := s.stream(queued.StatusURL)
	c.next("job")
	away.Store(true)
	w := s.work("report")
	w.take()
	w.finish <- nil
	c.next("completed")
	<-failed // the look that follows
	away.Store(false)
	if view := c.next("end"); view["status"] != "completed" {
		t.Errorf("end %v", view)
	}
	c.ends()
}

func TestAJobThatIsRemovedEndsTheStream(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	queued := decode[handlers.Queued](t, s.do("POST", "/api/v1/emails", goodEmail).want(t, 202))
	c := s.stream(queued.StatusURL)
	c.next("job")
	if err := s.admin["email"].Remove(t.Context(), queued.JobID, false); err != nil {
		t.Fatal(err)
	}
	if e := c.next("end"); e["status"] != "removed" {
		t.Errorf("end %v", e)
	}
}

func TestStreamsBeyondTheirNumberAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t), func(o *handlers.Options) { o.MaxStreams = 1 })
	queued := decode[handlers.Queued](t, s.do("POST", "/api/v1/emails", goodEmail).want(t, 202))
	c := s.stream(queued.StatusURL)
	c.next("job")
	for _, more := range []string{"/events", "?wait=1s", "?wait=1"} {
		s.do("GET", queued.StatusURL+more, "").problem(t, 503)
	}
	for _, plain := range []string{"", "?wait=0", "?wait="} { // others are not in the way
		s.do("GET", queued.StatusURL+plain, "").want(t, 200)
	}
	s.do("POST", "/api/v1/emails", goodEmail).want(t, 202)
}

func TestOneCallerTakesNoMoreThanItsShareOfTheStreams(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t), withTokens, func(o *handlers.Options) { o.MaxStreamsEach = 1 })
	queued := decode[handlers.Queued](t, s.do("POST", "/api/v1/emails", goodEmail).want(t, 202))
	c := s.stream(queued.StatusURL)
	c.next("job")
	for _, more := range []string{"/events", "?wait=1s"} {
		a := s.do("GET", queued.StatusURL+more, "")
		if p := a.problem(t, 429); p.Type != "/docs#rate-limited" || a.header.Get("Retry-After") == "" {
			t.Errorf("%+v %v", p, a.header)
		}
	}
	s.do("GET", queued.StatusURL, "").want(t, 200)
	for _, other := range [][]string{{"X-API-Key", readKey}, {"X-API-Key", "", "Authorization", "Bearer " + bearer(t, nil)}} {
		s.do("GET", queued.StatusURL+"?wait=1ms", "", other...).want(t, 200)
	}
	if err := s.admin["email"].Remove(t.Context(), queued.JobID, false); err != nil {
		t.Fatal(err)
	}
	c.next("end") // its place is free again
	c.ends()
	s.do("GET", queued.StatusURL+"?wait=1ms", "").problem(t, 404)
}

func TestAStreamEndsAfterAWhileAndIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t), func(o *handlers.Options) { o.StreamLife = 200 * time.Millisecond })
	queued := decode[handlers.Queued](t, s.do("POST", "/api/v1/emails", goodEmail).want(t, 202))
	c := s.stream(queued.StatusURL)
	c.next("job")
	last := ""
	for c.lines.Scan() {
		if text := c.lines.Text(); text != "" {
			last = text
		}
	}
	if err := c.lines.Err(); err != nil || last != "retry: 1000" {
		t.Errorf("the stream ended with %q, %v", last, err)
	}
	s.stream(queued.StatusURL).next("job")
}

func TestCountsAreReadOnceForAllWhoAsk(t *testing.T) {
	t.Parallel()
	counts := &countsCounter{}
	s := start(t, redistest.Shared(t), func(o *handlers.Options) {
		counts.Queue = o.Queues["email"]
		o.Queues["email"] = counts
		o.CountsEvery = time.Hour
	})
	get := func(path string) error {
		a, err := s.ask("GET", path, "")
		if err == nil && a.status != 200 {
			err = errors.New(a.body)
		}
		return err
	}
	var all sync.WaitGroup
	errs := make(chan error, 100)
	for range 50 {
		all.Go(func() { errs <- get("/api/v1/queues/email") })
		all.Go(func() { errs <- get("/api/v1/queues") })
	}
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	if n := counts.n.Load(); n != 1 {
		t.Errorf("%d reads", n)
	}
	s.now.Store(int64(2 * time.Hour))
	s.do("GET", "/api/v1/queues/email", "").want(t, 200)
	if n := counts.n.Load(); n != 2 {
		t.Errorf("%d reads an hour later", n)
	}
}

type countsCounter struct {
	handlers.Queue
	n atomic.Int64
}

func (c *countsCounter) Counts(ctx context.Context) (handlers.Counts, error) {
	c.n.Add(1)
	return c.Queue.Counts(ctx)
}
