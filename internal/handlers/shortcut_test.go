package handlers_test

import (
	"cmp"
	"net/http"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/handlers"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/redistest"
)

// TestTheShortcutAnswersAsTheLongWayDoes sends every request twice: as most
// clients do, and with an Accept header that only huma reads.
func TestTheShortcutAnswersAsTheLongWayDoes(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	with := func(body, options string) string {
		return strings.TrimSuffix(body, "}") + `,"options":` + options + `}`
	}
	taken := s.api.CountShortcuts()
	requests := []struct {
		path, body string
		short      bool
	}{
		{"/api/v1/emails", goodEmail, true},
		{"/api/v1/emails", with(goodEmail, `{"priority":"high","maxAttempts":3,"delay":60000}`), true},
		{"/api/v1/emails", with(goodEmail, `{"priority":"highest"}`), true},
		{"/api/v1/emails", with(goodEmail, `{"priority":0}`), true},
		{"/api/v1/emails", with(goodEmail, `{"delay":1,"runAt":"2026-01-01T00:00:00Z"}`), false},
		{"/api/v1/emails", `{"template":"welcome","to":"nobody"}`, true},
		{"/api/v1/emails", `{"template":"none","to":"ada@example.com","data":{"a":{"b":[1]}}}`, true},
		{"/api/v1/emails", `{"template":"welcome","TO":"ada@example.com"}`, false},
		{"/api/v1/exports", goodExport, true},
		{"/api/v1/exports", `{"format":"csv","query":{"where":1e2},"userId":"ada"}`, true},
		{"/api/v1/exports", `{"format":"csv","query":null,"userId":"ada"}`, true},
		{"/api/v1/reports", goodReport, true},
		{"/api/v1/reports", `{"reportType":"usage","dateRange":{"start":"x","end":""},"tenantId":"acme"}`, true},
		{"/api/v1/jobs", goodJob, true},
		{"/api/v1/jobs", `{"type":"email","payload":7}`, true},
		{"/api/v1/jobs", `{"type":"none","payload":{}}`, true},
	}
	for _, r := range requests {
		short := s.do("POST", r.path, r.body, "Accept", "*/*")
		if took := taken.Swap(0) == 1; took != r.short {
			t.Errorf("%s %s: took the shortcut %v, want %v", r.path, r.body, took, r.short)
		}
		long := s.do("POST", r.path, r.body, "Accept", "application/json, */*;q=0.5")
		if taken.Swap(0) != 0 {
			t.Errorf("%s %s took the shortcut with an Accept header that it does not read", r.path, r.body)
		}
		if diff := gocmp.Diff(s.outcomeOf(long), s.outcomeOf(short), gocmp.AllowUnexported(outcome{})); diff != "" {
			t.Errorf("%s %s (-long +short):\n%s", r.path, r.body, diff)
		}
	}
}

// outcome is an answer, and the job that it tells of, without what is different
// every time.
type outcome struct {
	status  int
	header  map[string]string
	body    string
	name    string
	data    string
	options jobs.Options
}

func (s *service) outcomeOf(a answer) outcome {
	s.t.Helper()
	queued := decode[handlers.Queued](s.t, a)
	same := strings.NewReplacer(a.header.Get("X-Request-ID"), "REQUEST", cmp.Or(queued.JobID, "JOB"), "JOB")
	o := outcome{status: a.status, header: map[string]string{}, body: same.Replace(a.body)}
	for name, values := range a.header {
		o.header[name] = same.Replace(values[0])
	}
	delete(o.header, "Date")
	if a.status == http.StatusAccepted {
		job, _ := s.job(queued.Queue, queued.JobID)
		o.name, o.data, o.options = job.Name, string(job.Data), job.Options
		o.options.ID, o.options.Trace = "", ""
	}
	return o
}
