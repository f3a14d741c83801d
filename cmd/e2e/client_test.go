package e2e_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/mailcatch"
)

// answer is what came back, read whole.
type answer struct {
	status int
	header http.Header
	body   string
	took   time.Duration
}

// call sends a request with the key of a caller who may do everything, unless
// the headers say otherwise; an empty value takes a header away.
func (s *service) call(method, path, body string, headers ...string) answer {
	s.t.Helper()
	a, err := s.try(s.t.Context(), method, path, body, headers...)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (s *service) try(ctx context.Context, method, path, body string, headers ...string) (answer, error) {
	began := time.Now()
	response, err := s.send(ctx, method, path, body, headers...)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(text), time.Since(began)}, err
}

func (s *service) send(ctx context.Context, method, path, body string, headers ...string) (*http.Response, error) {
	if !strings.HasPrefix(path, "http") {
		path = s.url + path
	}
	request, err := http.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if s.key != "-" {
		request.Header.Set("Authorization", "Bearer "+cmp.Or(s.key, fullKey))
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			request.Header.Del(headers[i])
		} else {
			request.Header.Set(headers[i], headers[i+1])
		}
	}
	return http.DefaultClient.Do(request)
}

// as is the same service to another caller.
func (s *service) as(key string) *service {
	caller := *s
	caller.key = key
	return &caller
}

func (s *service) get(path string, headers ...string) answer {
	s.t.Helper()
	return s.call(http.MethodGet, path, "", headers...)
}

func (s *service) post(path, body string, headers ...string) answer {
	s.t.Helper()
	return s.call(http.MethodPost, path, body, headers...)
}

// want fails the test unless the answer has the status.
func (a answer) want(t *testing.T, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// decode reads the body of an answer.
func decode[T any](t *testing.T, a answer) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(a.body), &value); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return value
}

// status is the status of a GET, 0 when nobody answers.
func status(url string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}

// queued is the answer to a request that adds a job.
type queued struct{ Message, JobID, Queue, StatusURL string }

// add posts a job and wants it queued.
func (s *service) add(path, body string) queued {
	s.t.Helper()
	a := s.post(path, body).want(s.t, 202)
	q := decode[queued](s.t, a)
	if q.JobID == "" || q.StatusURL != "/api/v1/jobs/"+q.Queue+"/"+q.JobID || a.header.Get("Location") != q.StatusURL {
		s.t.Fatalf("answer %s with Location %q", a.body, a.header.Get("Location"))
	}
	return q
}

// job is a job's status.
type job struct {
	ID, Queue, Name, Status, FailedReason string
	AttemptsMade, StalledCount, Priority  int
	Progress                              any
	Result                                json.RawMessage
}

func (s *service) job(statusURL string) job {
	s.t.Helper()
	return decode[job](s.t, s.get(statusURL).want(s.t, 200))
}

// finished waits for a job's outcome, by long polling.
func (s *service) finished(statusURL string) job {
	s.t.Helper()
	var j job
	eventually(s.t, "the outcome of "+statusURL, func() bool {
		j = decode[job](s.t, s.get(statusURL+"?wait=10s").want(s.t, 200))
		return j.Status == "completed" || j.Status == "failed"
	})
	return j
}

// completed is the result of a job that has to succeed.
func completed[T any](s *service, statusURL string) T {
	s.t.Helper()
	j := s.finished(statusURL)
	if j.Status != "completed" {
		s.t.Fatalf("job %s of queue %s is %s: %s", j.ID, j.Queue, j.Status, j.FailedReason)
	}
	var result T
	if err := json.Unmarshal(j.Result, &result); err != nil {
		s.t.Fatalf("%v in %s", err, j.Result)
	}
	return result
}

// event is a server-sent event.
type event struct{ name, data string }

// events follows a job until its stream ends.
func (s *service) events(statusURL string, each func(event)) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	response, err := s.send(ctx, http.MethodGet, statusURL+"/events", "")
	if err != nil {
		s.t.Error(err)
		return
	}
	defer response.Body.Close()
	var e event
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "":
			each(e)
			e = event{}
		}
	}
}

// await returns the mails, the newest first, once n have come.
func (w *world) await(n int) []*mailcatch.Mail {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	mails, err := w.mails.Wait(ctx, n)
	if err != nil {
		w.t.Fatal(err)
	}
	return mails
}

// generic asks for a mail to somebody.
func generic(to string) string {
	return `{"template":"generic","to":"` + to + `","data":{"heading":"News for ` + to + `","message":"This mail was sent by a job."}}`
}
