package handlers_test

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/handlers"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/outbox"
	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/internal/store"
	"github.com/tandemq/tandem/internal/users"
)

// The tests of this file are the contract of the API, a row each.

func TestEmailsExportsAndReportsAreQueued(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	tests := []struct{ path, body, message, queue, name, data string }{
		{"/api/v1/emails", goodEmail, "Email queued", "email", "welcome", goodEmailStored},
		{"/api/v1/exports", goodExport, "Export queued", "export", "csv", `{"format":"csv","query":{},"userId":"ada","allRows":true}`},
		{"/api/v1/reports", goodReport, "Report queued", "report", "usage", goodReport},
		{"/api/v1/jobs", goodJob, "Email queued", "email", "welcome", goodEmailStored},
		{"/api/v1/jobs", `{"type":"report","payload":` + goodReport + `}`, "Report queued", "report", "usage", goodReport},
		{"/api/v1/jobs", `{"type":"email-report","payload":{"reportJobId":"r-1","to":"ada@example.com"}}`, "Report mail queued", "email-report", "email-report", `{"reportJobId":"r-1","to":"ada@example.com"}`},
	}
	for _, test := range tests {
		t.Run(test.path+" "+test.queue, func(t *testing.T) {
			a := s.do("POST", test.path, test.body).want(t, 202)
			got := decode[handlers.Queued](t, a)
			want := handlers.Queued{Message: test.message, JobID: got.JobID, Queue: test.queue, StatusURL: "/api/v1/jobs/" + test.queue + "/" + got.JobID}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if a.header.Get("Location") != want.StatusURL {
				t.Errorf("Location %q", a.header.Get("Location"))
			}
			job, state := s.job(test.queue, got.JobID)
			if job.Name != test.name || state != jobs.Prioritized || job.Priority != int(jobs.Normal) {
				t.Errorf("job %q is %s with priority %d", job.Name, state, job.Priority)
			}
			if string(job.Data) != test.data {
				t.Errorf("data %s, want %s", job.Data, test.data)
			}
		})
	}
}

const goodEmailStored = `{"template":"welcome","to":"ada@example.com","data":{"name":"Ada","verifyUrl":"https://tandem.example/verify?token=x"}}`

// job reads a job from Redis, past the API.
func (s *service) job(queue, id string) (*jobs.Job, jobs.State) {
	s.t.Helper()
	job, state, err := s.admin[queue].Get(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return job, state
}

func TestOptionsOfARequestAreStoredWithItsJob(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	soon := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	tests := []struct {
		name, options string
		check         func(o jobs.Options, j *jobs.Job) bool
	}{
		{"priority by name", `{"priority":"critical"}`, func(_ jobs.Options, j *jobs.Job) bool { return j.Priority == 1 }},
		{"priority by number", `{"priority":77}`, func(_ jobs.Options, j *jobs.Job) bool { return j.Priority == 77 }},
		{"maxAttempts", `{"maxAttempts":9}`, func(o jobs.Options, _ *jobs.Job) bool { return o.Attempts == 9 }},
		{"backoff", `{"backoff":{"type":"linear","delay":1500,"maxDelay":60000,"jitter":0.5}}`, func(o jobs.Options, _ *jobs.Job) bool {
			return o.Backoff == jobs.Backoff{Type: jobs.Linear, Delay: 1500 * time.Millisecond, MaxDelay: time.Minute, Jitter: .5}
		}},
		{"delay", `{"delay":60000}`, func(_ jobs.Options, j *jobs.Job) bool { return j.Delay == time.Minute }},
		{"runAt", fmt.Sprintf(`{"runAt":%q}`, soon.Format(time.RFC3339Nano)), func(_ jobs.Options, j *jobs.Job) bool {
			return j.DueAt().Sub(soon).Abs() < time.Second
		}},
		{"timeout", `{"timeout":30000}`, func(o jobs.Options, _ *jobs.Job) bool { return o.Timeout == 30*time.Second }},
		{"jobId", `{"jobId":"invoice-2026.11~a@b"}`, func(_ jobs.Options, j *jobs.Job) bool { return j.ID == "invoice-2026.11~a@b" }},
		{"what every mail has", `{}`, func(o jobs.Options, _ *jobs.Job) bool { return o.Attempts == 5 && o.Backoff.Type == jobs.Exponential }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			body := strings.TrimSuffix(goodEmail, "}") + `,"options":` + test.options + `}`
			got := decode[handlers.Queued](t, s.do("POST", "/api/v1/emails", body).want(t, 202))
			job, _ := s.job("email", got.JobID)
			if !test.check(job.Options, job) {
				t.Errorf("stored %+v in %+v", job.Options, job)
			}
		})
	}
}

func TestAnOwnJobIDAddsOneJob(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	body := strings.TrimSuffix(goodEmail, "}") + `,"options":{"jobId":"mine-1"}}`
	first := decode[handlers.Queued](t, s.do("POST", "/api/v1/emails", body).want(t, 202))
	second := decode[handlers.Queued](t, s.do("POST", "/api/v1/emails", body).want(t, 202))
	if first.Duplicate || !second.Duplicate || first.JobID != "mine-1" || second.JobID != "mine-1" {
		t.Errorf("first %+v, second %+v", first, second)
	}
	if n := s.stored(); n != 1 {
		t.Errorf("%d jobs", n)
	}
}

func TestAnIDThatAnotherTenantsJobHasIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t), func(o *handlers.Options) { o.APIKeys = append(o.APIKeys, "evil:"+evilKey+":tenant=evil") })
	body := strings.TrimSuffix(goodEmail, "}") + `,"options":{"jobId":"invoice-1"}}`
	bulk := `{"jobs":[{"data":` + goodJob + `},{"data":` + goodJob + `,"options":{"jobId":"invoice-1"}}]}`
	s.do("POST", "/api/v1/emails", body, "X-API-Key", tenantKey).want(t, 202)

	p := s.do("POST", "/api/v1/emails", body, "X-API-Key", evilKey).problem(t, 409)
	if p.Type != "/docs#id-taken" || fields(p) != "options.jobId" {
		t.Errorf("%+v", p)
	}
	p = s.do("POST", "/api/v1/jobs/bulk", bulk, "X-API-Key", evilKey).problem(t, 422)
	if fields(p) != "jobs[1].options.jobId" || s.stored() != 1 {
		t.Errorf("%+v, %d stored", p, s.stored())
	}
	got := decode[handlers.BulkQueued](t, s.do("POST", "/api/v1/jobs/bulk?partial=true", bulk, "X-API-Key", evilKey).want(t, 202))
	if got.Queued != 1 || got.Rejected != 1 || got.Results[1].Errors[0].Field != "options.jobId" || got.Results[1].StatusURL != "" || s.stored() != 2 {
		t.Errorf("%+v, %d stored", got, s.stored())
	}

	for _, key := range []string{tenantKey, fullKey} { // whose job it is, and who sees all
		again := decode[handlers.Queued](t, s.do("POST", "/api/v1/emails", body, "X-API-Key", key).want(t, 202))
		many := decode[handlers.BulkQueued](t, s.do("POST", "/api/v1/jobs/bulk", bulk, "X-API-Key", key).want(t, 202))
		if !again.Duplicate || !many.Results[1].Duplicate || many.Queued != 2 {
			t.Errorf("%+v, %+v", again, many)
		}
	}
}

// overtaken is a queue in which somebody else takes an id at the last moment.
type overtaken struct {
	handlers.Queue
	first func()
}

func (q overtaken) AddBulk(ctx context.Context, items []handlers.Item) ([]handlers.Added, error) {
	q.first()
	return q.Queue.AddBulk(ctx, items)
}

// takeInvoice adds a job of nobody's with the id invoice-1.
func (s *service) takeInvoice() {
	if a, err := s.ask("POST", "/api/v1/emails", strings.TrimSuffix(goodEmail, "}")+`,"options":{"jobId":"invoice-1"}}`); err != nil || a.status != 202 {
		s.t.Error(a, err)
	}
}

func TestAnIDThatIsTakenWhileABulkIsAddedIsRefusedToo(t *testing.T) {
	t.Parallel()
	var s *service
	s = start(t, redistest.Shared(t), func(o *handlers.Options) {
		o.Queues["email"] = overtaken{o.Queues["email"], func() { s.takeInvoice() }}
	})
	bulk := `{"jobs":[{"data":` + goodJob + `},{"data":` + goodJob + `,"options":{"jobId":"invoice-1"}}]}`
	got := decode[handlers.BulkQueued](t, s.do("POST", "/api/v1/jobs/bulk", bulk, "X-API-Key", tenantKey).want(t, 202))
	if got.Queued != 1 || got.Results[0].Status != "queued" || got.Results[1].Status != "rejected" || s.stored() != 2 {
		t.Errorf("%+v, %d stored", got, s.stored())
	}
}

func TestABulkIsAllOrNothing(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	good := `{"data":` + goodJob + `,"options":{"priority":"high"}}`
	report := `{"data":{"type":"report","payload":` + goodReport + `}}`
	bad := `{"data":{"type":"email","payload":{"template":"welcome","to":"nobody"}},"options":{"delay":-1}}`

	p := s.do("POST", "/api/v1/jobs/bulk", `{"jobs":[`+good+`,`+bad+`,`+report+`]}`).problem(t, 422)
	if got := fields(p); got != "jobs[1].options.delay" {
		t.Errorf("fields %q", got)
	}
	if n := s.stored(); n != 0 {
		t.Fatalf("%d jobs of a bulk that was refused", n)
	}
	got := decode[handlers.BulkQueued](t, s.do("POST", "/api/v1/jobs/bulk", `{"jobs":[`+good+`,`+report+`]}`).want(t, 202))
	if got.Queued != 2 || got.Rejected != 0 || got.Message != "2 jobs queued" || s.stored() != 2 {
		t.Errorf("%+v", got)
	}
	for i, queue := range []string{"email", "report"} {
		r := got.Results[i]
		if r.Index != i || r.Status != "queued" || r.Queue != queue || r.StatusURL != "/api/v1/jobs/"+queue+"/"+r.JobID {
			t.Errorf("result %+v", r)
		}
		s.do("GET", r.StatusURL, "").want(t, 200)
	}
	if job, _ := s.job("email", got.Results[0].JobID); job.Priority != int(jobs.High) {
		t.Errorf("priority %d", job.Priority)
	}
}

func TestAPartialBulkAddsTheGoodJobs(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	body := `{"jobs":[{"data":{"type":"fax","payload":{}}},{"data":` + goodJob + `},7,{"data":{"type":"email","payload":{"to":true}}}]}`
	got := decode[handlers.BulkQueued](t, s.do("POST", "/api/v1/jobs/bulk?partial=true", body).want(t, 202))
	var states []string
	for _, r := range got.Results {
		state := r.Status
		for _, f := range r.Errors {
			state += " " + f.Field
		}
		states = append(states, state)
	}
	want := []string{"rejected data.type", "queued", "rejected ", "rejected data.payload.template data.payload.to"}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
	if got.Queued != 1 || got.Rejected != 3 || s.stored() != 1 {
		t.Errorf("%+v, stored %d", got, s.stored())
	}
	s.do("POST", "/api/v1/jobs/bulk?partial=true", `{"jobs":[7]}`).problem(t, 422)
}

// broken is a queue that Redis stops answering for.
type broken struct{ handlers.Queue }

func (broken) AddBulk(_ context.Context, items []handlers.Item) ([]handlers.Added, error) {
	return make([]handlers.Added, 0), fmt.Errorf("add: %w", jobs.ErrUnavailable)
}

func TestABulkThatRedisInterruptsTellsWhatIsKnown(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t), func(o *handlers.Options) { o.Queues["report"] = broken{o.Queues["report"]} })
	body := `{"jobs":[{"data":{"type":"report","payload":` + goodReport + `}},{"data":` + goodJob + `}]}`
	p := s.do("POST", "/api/v1/jobs/bulk", body).problem(t, 503)
	if len(p.Results) != 2 || p.Results[0].Status != "unknown" || p.Results[1].Status != "queued" || s.stored() != 1 {
		t.Errorf("%+v, %d stored", p.Results, s.stored())
	}
	s.do("GET", p.Results[1].StatusURL, "").want(t, 200)
}

// watched is a queue that says what a look at a job gives, and remembers until
// when each look may take.
type watched struct {
	handlers.Queue
	get       func() error // nil looks
	mu        sync.Mutex
	deadlines map[time.Time]int
}

func (q *watched) Get(ctx context.Context, id string) (*jobs.Job, jobs.State, error) {
	until, _ := ctx.Deadline()
	q.mu.Lock()
	q.deadlines[until]++
	q.mu.Unlock()
	if err := q.get(); err != nil {
		return nil, jobs.Unknown, err
	}
	return q.Queue.Get(ctx, id)
}

func TestABulkThatCannotBeCheckedIsNotRefused(t *testing.T) {
	t.Parallel()
	var away atomic.Bool
	reports := &watched{deadlines: map[time.Time]int{}, get: func() error {
		if away.Load() {
			return jobs.ErrUnavailable
		}
		return nil
	}}
	s := start(t, redistest.Shared(t), func(o *handlers.Options) {
		reports.Queue = o.Queues["report"]
		o.Queues["report"] = reports
	})
	made := decode[handlers.Queued](t, s.do("POST", "/api/v1/reports", goodReport).want(t, 202))
	mail := `{"data":{"type":"email-report","payload":{"reportJobId":"` + made.JobID + `","to":"a@example.com"}}}`
	body := `{"jobs":[{"data":` + goodJob + `},` + mail + `]}`
	for _, path := range []string{"/api/v1/jobs/bulk", "/api/v1/jobs/bulk?partial=true"} {
		before := s.stored()
		away.Store(true)
		a := s.do("POST", path, body, "X-API-Key", tenantKey, "Idempotency-Key", path)
		if p := a.problem(t, 503); len(p.Errors) != 0 || a.header.Get("Retry-After") == "" || s.stored() != before {
			t.Errorf("%s: %+v, %d stored", path, p, s.stored()-before)
		}
		away.Store(false)
		got := decode[handlers.BulkQueued](t, s.do("POST", path, body, "X-API-Key", tenantKey, "Idempotency-Key", path).want(t, 202))
		if got.Queued != 2 || got.Rejected != 0 {
			t.Errorf("%s once Redis is back: %+v", path, got)
		}
	}
}

func TestTheLooksOfABulkShareOneTimeAndEndAtTheFirstFailure(t *testing.T) {
	t.Parallel()
	reports := &watched{deadlines: map[time.Time]int{}, get: func() error { return jobs.ErrUnavailable }}
	s := start(t, redistest.Shared(t), func(o *handlers.Options) { o.Queues["report"] = reports })
	mails := strings.Repeat(`{"data":{"type":"email-report","payload":{"reportJobId":"r","to":"a@example.com"}}},`, 1000)
	s.do("POST", "/api/v1/jobs/bulk", `{"jobs":[`+strings.TrimSuffix(mails, ",")+`]}`, "X-API-Key", tenantKey).problem(t, 503)
	looks := 0
	for _, n := range reports.deadlines {
		looks += n
	}
	if len(reports.deadlines) != 1 || looks == 1000 {
		t.Errorf("%d looks until %d different times", looks, len(reports.deadlines))
	}
}

// exhausting is a queue whose answer to a bulk takes all the time that there is.
type exhausting struct{ handlers.Queue }

func (q exhausting) AddBulk(ctx context.Context, items []handlers.Item) ([]handlers.Added, error) {
	added, err := q.Queue.AddBulk(ctx, items)
	<-ctx.Done()
	return added, err
}

func TestAnIDThatCouldNotBeLookedAtAnyMoreIsNotCalledADuplicate(t *testing.T) {
	t.Parallel()
	var s *service
	s = start(t, redistest.Shared(t), func(o *handlers.Options) {
		o.Deadline = 500 * time.Millisecond
		o.Queues["email"] = overtaken{exhausting{o.Queues["email"]}, func() { s.takeInvoice() }}
	})
	s.do("POST", "/api/v1/jobs/bulk", `{"jobs":[{"data":`+goodJob+`,"options":{"jobId":"invoice-1"}}]}`, "X-API-Key", tenantKey).problem(t, 503)
}

func TestABulkHoldsUpToAThousandJobs(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	bulk := func(n int) string {
		return `{"jobs":[` + strings.TrimSuffix(strings.Repeat(`{"data":`+goodJob+`},`, n), ",") + `]}`
	}
	s.do("POST", "/api/v1/jobs/bulk", bulk(1001)).problem(t, 422)
	for _, none := range []string{`[]`, `null`, `{}`} {
		s.do("POST", "/api/v1/jobs/bulk", `{"jobs":`+none+`}`).problem(t, 422)
	}
	got := decode[handlers.BulkQueued](t, s.do("POST", "/api/v1/jobs/bulk", bulk(1000)).want(t, 202))
	ids := map[string]bool{}
	for _, r := range got.Results {
		ids[r.JobID] = true
	}
	if got.Queued != 1000 || len(ids) != 1000 || s.stored() != 1000 {
		t.Errorf("queued %d, ids %d, stored %d", got.Queued, len(ids), s.stored())
	}
}

func TestAJobIsShownFromQueuedToFinished(t *testing.T) {
	t.Parallel()
	redistest.Each(t, testJobsLife) // cmd/tandem has the embedded Redis
}

func testJobsLife(t *testing.T, server *redistest.Server) {
	s := start(t, server)
	queued := decode[handlers.Queued](t, s.do("POST", "/api/v1/reports", goodReport, "X-Request-ID", "request-0001").want(t, 202))

	view := decode[map[string]any](t, s.do("GET", queued.StatusURL, "").want(t, 200))
	want := map[string]any{
		"id": queued.JobID, "queue": "report", "name": "usage", "status": "waiting", "progress": nil,
		"attemptsMade": 0.0, "attemptsStarted": 0.0, "maxAttempts": 3.0, "priority": 100.0, "createdAt": view["createdAt"],
		"startedAt": nil, "finishedAt": nil, "result": nil, "failedReason": nil, "requestId": "request-0001", "statusUrl": queued.StatusURL,
	}
	if diff := cmp.Diff(want, view); diff != "" {
		t.Errorf("waiting (-want +got):\n%s", diff)
	}
	w := s.work("report")
	w.take()
	if v := s.view(queued.StatusURL); v.Status != "active" || v.StartedAt == nil || v.AttemptsStarted != 1 {
		t.Errorf("active %+v", v)
	}
	w.finish <- nil
	v := decode[handlers.JobView](t, s.do("GET", queued.StatusURL+"?wait=20s", "").want(t, 200))
	if v.Status != "completed" || string(v.Result) != `{"ok":true}` || v.FinishedAt == nil || v.AttemptsMade != 1 {
		t.Errorf("completed %+v", v)
	}
}

func (s *service) view(url string) handlers.JobView {
	s.t.Helper()
	return decode[handlers.JobView](s.t, s.do("GET", url, "").want(s.t, 200))
}

func TestAJobThatIsNotThereIsNotFound(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	for _, path := range []string{"/api/v1/jobs/email/nothing", "/api/v1/jobs/fax/1", "/api/v1/jobs/email/nothing?wait=1s", "/api/v1/jobs/email/nothing/events", "/api/v1/jobs/fax/1/events", "/api/v1/queues/fax", "/api/v1/queues/fax/jobs?status=failed"} {
		s.do("GET", path, "").problem(t, 404)
	}
}

func TestQueuesAreCounted(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t), func(o *handlers.Options) { o.CountsEvery = time.Nanosecond })
	s.do("POST", "/api/v1/emails", goodEmail).want(t, 202)
	s.do("POST", "/api/v1/emails", strings.TrimSuffix(goodEmail, "}")+`,"options":{"delay":60000}}`).want(t, 202)

	got := decode[map[string]any](t, s.do("GET", "/api/v1/queues/email", "").want(t, 200))
	want := map[string]any{
		"name": "email", "waiting": 1.0, "active": 0.0, "completed": 0.0, "failed": 0.0, "delayed": 1.0,
		"prioritized": 1.0, "waitingChildren": 0.0, "paused": false, "oldestWaitingMs": got["oldestWaitingMs"],
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var names []string
	for _, q := range decode[handlers.QueueList](t, s.do("GET", "/api/v1/queues", "").want(t, 200)).Queues {
		names = append(names, q.Name)
	}
	if !slices.IsSorted(names) || len(names) != len(queueNames) {
		t.Errorf("queues %v", names)
	}
}

func TestJobsOfAQueueComeInPages(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	want := map[string]bool{}
	for i := range 7 {
		id := fmt.Sprintf("job-%d", i)
		want[id] = true
		s.do("POST", "/api/v1/emails", strings.TrimSuffix(goodEmail, "}")+`,"options":{"jobId":"`+id+`"}}`).want(t, 202)
	}
	path, seen, pages := "/api/v1/queues/email/jobs?status=waiting&limit=3", map[string]bool{}, 0
	for next := path; next != ""; pages++ {
		page := decode[handlers.JobPage](t, s.do("GET", next, "").want(t, 200))
		for _, job := range page.Jobs {
			if seen[job.ID] || job.Status != "waiting" {
				t.Errorf("job %s is %s, or comes twice", job.ID, job.Status)
			}
			seen[job.ID] = true
		}
		next = ""
		if page.NextCursor != "" {
			next = path + "&cursor=" + url.QueryEscape(page.NextCursor)
			s.do("GET", strings.Replace(next, "status=waiting", "status=failed", 1), "").problem(t, 422)
		}
	}
	if diff := cmp.Diff(want, seen); diff != "" || pages != 3 {
		t.Errorf("%d pages (-want +got):\n%s", pages, diff)
	}
	for _, status := range []string{"active", "completed", "failed", "delayed", "waiting-children"} {
		page := s.do("GET", "/api/v1/queues/email/jobs?status="+status, "").want(t, 200)
		if strings.TrimSpace(page.body) != `{"jobs":[]}` {
			t.Errorf("%s: %s", status, page.body)
		}
	}
}

func TestRegisteringSendsAMailThatVerifies(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	body := `{"name":"Ada","email":"ada@example.com","password":"correct horse battery staple"}`
	first := decode[handlers.Account](t, s.do("POST", "/register", body, "X-API-Key", "").want(t, 201))
	if first.User.Name != "Ada" || first.User.Email != "ada@example.com" || first.User.Status != users.Pending || first.User.ID == "" {
		t.Errorf("account %+v", first)
	}
	mails := s.mails()
	if len(mails) != 1 || mails[0].Name != "welcome" || mails[0].Options.Priority != jobs.High || mails[0].Options.Attempts != 3 {
		t.Fatalf("mails %+v", mails)
	}
	token := regexp.MustCompile(`token=([A-Za-z0-9_-]+)`).FindStringSubmatch(string(mails[0].Payload))[1]

	page := s.do("GET", "/verify?token="+token, "", "X-API-Key", "", "Accept", "text/html").want(t, 200)
	if n := strings.Count(page.body, "<button"); n != 1 || strings.Contains(page.body, "<script") || !strings.Contains(page.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("page with %d buttons, policy %q:\n%s", n, page.header.Get("Content-Security-Policy"), page.body)
	}
	form := url.Values{"token": {token}}.Encode()
	done := s.do("POST", "/verify", form, "X-API-Key", "", "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html").want(t, 200)
	if !strings.Contains(done.body, "Address confirmed") {
		t.Errorf("page %s", done.body)
	}
	s.do("POST", "/verify", `{"token":"`+token+`"}`).problem(t, 410)
	s.do("GET", "/verify?token="+token, "", "Accept", "text/html").want(t, 410)
	if strings.Contains(s.logs.String(), token) || strings.Contains(s.logs.String(), "ada@example.com") {
		t.Error("a token or an address is in the logs")
	}
}

func TestRegistrationsNameTheFieldsThatAreWrong(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	good := postRoutes()["/register"]
	for body, want := range map[string]string{
		`{}`:                      "email,name,password",
		with(good, `"Ada"`, `""`): "name",
		with(good, `"Ada"`, `"Ada\r\nBcc: eve@example.com"`):                 "name",
		with(good, "ada@example.com", "nobody"):                              "email",
		with(good, "ada@example.com", `ada@example.com\u0000`):               "email",
		with(good, "correct horse battery staple", "Sh0rt"):                  "password",
		with(good, "correct horse battery staple", "password1234"):           "password",
		with(good, `"correct horse battery staple"`, "12345678901234567890"): "password",
		with(with(good, "Ada", ""), "ada@example.com", secretValue):          "email,name",
	} {
		a := s.do("POST", "/register", body)
		got := slices.Sorted(strings.SplitSeq(fields(a.problem(t, 422)), ","))
		if strings.Join(got, ",") != want {
			t.Errorf("%s: fields %q, want %q", body, got, want)
		}
		if strings.Contains(a.body, secretValue) || strings.Contains(a.body, "Sh0rt") {
			t.Errorf("the value comes back: %s", a.body)
		}
	}
	if n := len(s.mails()); n != 0 {
		t.Errorf("%d mails", n)
	}
}

func TestAKnownAddressCannotBeProbed(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	body := `{"name":"Ada","email":"ada@example.com","password":"correct horse battery staple"}`
	first := s.do("POST", "/register", body).want(t, 201)
	second := s.do("POST", "/register", body).want(t, 201)
	hide := regexp.MustCompile(`"(id|createdAt)":"[^"]*"`)
	if diff := cmp.Diff(hide.ReplaceAllString(first.body, ""), hide.ReplaceAllString(second.body, "")); diff != "" {
		t.Errorf("the answers differ:\n%s", diff)
	}
}

func TestALinkIsRefusedWhenItIsBadOrOld(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	s.do("POST", "/register", `{"name":"Ada","email":"ada@example.com","password":"correct horse battery staple"}`).want(t, 201)
	token := regexp.MustCompile(`token=([A-Za-z0-9_-]+)`).FindStringSubmatch(string(s.mails()[0].Payload))[1]
	for _, bad := range []string{"", "x", strings.Repeat("A", 500), "%00"} {
		s.do("GET", "/verify?token="+url.QueryEscape(bad), "").problem(t, 400)
		s.do("POST", "/verify", `{"token":"`+bad+`"}`).problem(t, 400)
	}
	s.do("POST", "/verify", `{"token":5}`).problem(t, 422)
	s.do("POST", "/verify", `{"tokens":"x"}`).problem(t, 422)
	s.do("POST", "/verify", "token=%zz", "Content-Type", "application/x-www-form-urlencoded").problem(t, 400)
	s.now.Store(int64(48 * time.Hour))
	s.do("POST", "/verify", `{"token":"`+token+`"}`).problem(t, 410)
}

// mails takes the mails that are on their way out of the outbox.
func (s *service) mails() []outbox.Entry {
	s.t.Helper()
	entries, err := store.NewOutbox(s.db).Claim(s.t.Context(), s.clock(), s.clock().Add(time.Minute), 10)
	if err != nil {
		s.t.Fatal(err)
	}
	return entries
}

func TestTheServiceTellsWhatItIs(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	if a := s.do("GET", "/version", "", "X-API-Key", "").want(t, 200); strings.TrimSpace(a.body) != `{"version":"v1.2.3"}` {
		t.Errorf("version %s", a.body)
	}
	for _, path := range []string{"/openapi.json", "/docs", "/docs/style.css"} {
		s.do("GET", path, "", "X-API-Key", "").want(t, 200)
		if head := s.do("HEAD", path, "").want(t, 200); head.body != "" {
			t.Errorf("HEAD %s has a body", path)
		}
	}
}
