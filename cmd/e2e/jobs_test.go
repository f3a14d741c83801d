package e2e_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/store/storetest"
)

func TestAJobIsFollowedByPollingByWaitingAndByEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLiteURL(t))
	api := w.api()
	w.gate.hold()
	q := api.add("/api/v1/emails", generic("ada@example.com"))
	if j := api.job(q.StatusURL); j.Status != "waiting" || j.Name != "generic" || j.Priority != 100 {
		t.Errorf("without a worker the job is %+v", j)
	}
	var seen []string
	var waited job
	var followers sync.WaitGroup
	followers.Go(func() { api.events(q.StatusURL, func(e event) { seen = append(seen, e.name+" "+statusIn(e.data)) }) })
	followers.Go(func() { waited = api.finished(q.StatusURL) })

	w.worker()
	w.gate.await(t, 1)
	if j := api.job(q.StatusURL); j.Status != "active" {
		t.Errorf("with the mail at the gate the job is %s", j.Status)
	}
	w.gate.release()
	followers.Wait()
	if waited.Status != "completed" || waited.AttemptsMade != 1 {
		t.Errorf("whoever waited got %+v", waited)
	}
	story := strings.Join(seen, ", ")
	if !strings.HasPrefix(story, "job waiting") || !strings.Contains(story, "active active") || !strings.HasSuffix(story, "end completed") {
		t.Errorf("events: %s", story)
	}
}

func statusIn(data string) string {
	var e struct{ Status string }
	_ = json.Unmarshal([]byte(data), &e) // no status is one that the test misses
	return e.Status
}

func TestAMailIsSentAsAskedAndRecordedWithoutItsAddress(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, database string) {
		w := newWorld(t, database)
		api, worker := w.api(), w.worker()
		q := api.add("/api/v1/emails", `{"template":"generic","to":"ada@example.com","subject":"As asked","data":{"message":"A <b>message</b>."}}`)
		completed[map[string]any](api, q.StatusURL)
		mail := w.await(1)[0]
		if mail.Subject != "As asked" || !strings.Contains(mail.Text, "A <b>message</b>.") || !strings.Contains(mail.HTML, "A &lt;b&gt;message&lt;/b&gt;.") {
			t.Errorf("%q\n%s\n%s", mail.Subject, mail.Text, mail.HTML)
		}
		if id := mail.Header.Get("Message-Id"); id != "<"+q.JobID+"@tandem.example>" {
			t.Errorf("Message-ID %s of job %s", id, q.JobID)
		}
		if n := query[int](w, "SELECT COUNT(*) FROM email_messages WHERE id = $1 AND status = 'sent' AND address_masked <> 'ada@example.com'", q.JobID); n != 1 {
			t.Errorf("%d records", n)
		}
		for _, p := range []*service{api, worker} {
			for _, secret := range []string{"ada@example.com", fullKey, signingKey} {
				if strings.Contains(p.stderr.String(), secret) {
					t.Errorf("%s logs %s", p.name, secret)
				}
			}
			if n := strings.Count(p.stderr.String(), "\n{") + 1; n != strings.Count(p.stderr.String(), "\n") {
				t.Errorf("%s writes lines that are no JSON:\n%s", p.name, p.stderr.String())
			}
		}
	})
}

func TestAMailThatIsRefusedForGoodIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLiteURL(t))
	api, worker := w.api(), w.worker()
	q := api.add("/api/v1/emails", generic("refused@example.com"))
	if j := api.finished(q.StatusURL); j.Status != "failed" || j.AttemptsMade != 1 || !strings.Contains(j.FailedReason, "550") {
		t.Errorf("the job is %+v", j)
	}
	if strings.Contains(worker.stderr.String(), "refused@example.com") {
		t.Error("the worker logs the address")
	}
	worker.stop() // it has said everything
	told := slices.DeleteFunc(strings.Split(worker.stderr.String(), "\n"), func(line string) bool { return !strings.Contains(line, q.JobID) })
	if len(told) != 1 || !strings.Contains(told[0], `"status":"failed"`) || !strings.Contains(told[0], `"request_id"`) {
		t.Errorf("the worker tells of the attempt\n%s", strings.Join(told, "\n"))
	}
	if n := query[int](w, "SELECT COUNT(*) FROM email_messages WHERE id = $1 AND status = 'failed'", q.JobID); n != 1 {
		t.Errorf("%d records", n)
	}
}

func TestMailsInBulkLetMoreUrgentOnesPass(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.PostgresURL(t))
	api := w.api()
	var items []string
	for n := range 5 {
		items = append(items, fmt.Sprintf(`{"data":{"type":"email","payload":{"template":"newsletter","to":"reader@example.com",
			"data":{"title":"Issue %d","intro":"Hello"}}},"options":{"priority":"low"}}`, n))
	}
	bulk := decode[struct {
		Queued  int
		Results []queued
	}](t, api.post("/api/v1/jobs/bulk", `{"jobs":[`+strings.Join(items, ",")+`]}`).want(t, 202))
	urgent := api.add("/api/v1/emails", strings.TrimSuffix(generic("ada@example.com"), "}")+`,"options":{"priority":"high"}}`)

	w.worker("EMAIL_CONCURRENCY", "1")
	completed[map[string]any](api, urgent.StatusURL)
	for _, q := range bulk.Results {
		completed[map[string]any](api, q.StatusURL)
	}
	var order []string
	for _, mail := range w.await(6) {
		order = append([]string{mail.Subject}, order...)
	}
	want := []string{"News for ada@example.com", "Issue 0", "Issue 1", "Issue 2", "Issue 3", "Issue 4"}
	if diff := cmp.Diff(want, order); diff != "" || bulk.Queued != 5 {
		t.Errorf("%d queued, order (-want +got):\n%s", bulk.Queued, diff)
	}
}
