package handlers_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/handlers"
	"github.com/tandemq/tandem/internal/redistest"
)

func TestWithoutRedisAnswersComeSoonAndSayWhenToTryAgain(t *testing.T) {
	t.Parallel()
	outages := map[string]struct{ begin, end func(*redistest.Instance) }{
		"it is gone":   {(*redistest.Instance).Kill, (*redistest.Instance).Restart},
		"it is frozen": {(*redistest.Instance).Pause, (*redistest.Instance).Resume},
	}
	for name, outage := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := redistest.Own(t, redistest.Options{Config: []string{"appendonly yes", "appendfsync always"}})
			s := start(t, redis.Server)
			queued := decode[handlers.Queued](t, s.do("POST", "/api/v1/emails", goodEmail).want(t, 202))
			outage.begin(redis)
			s.unavailable(needingRedis(queued.StatusURL)...)
			s.do("POST", "/register", `{"name":"Ada","email":"ada@example.com","password":"correct horse battery staple"}`).want(t, 201)
			outage.end(redis)
			deadline := time.Now().Add(lenient * time.Second) // on a machine that is not busy it is one
			for s.do("POST", "/api/v1/emails", goodEmail).status != 202 {
				if time.Now().After(deadline) {
					t.Fatal("not ready again after Redis is back")
				}
			}
		})
	}
}

// lenient is how many times as long as promised an answer may take by the clock of
// a client, on a machine that does other things too. The promise itself is held in
// virtual time: TestWithoutRedisEveryAnswerComesWithinTwoSeconds.
const lenient = 3

type call struct{ method, path, body string }

// needingRedis are the calls that cannot be answered without it. status is where a
// job is looked at.
func needingRedis(status string) (calls []call) {
	for path, body := range postRoutes() {
		if strings.HasPrefix(path, "/api") {
			calls = append(calls, call{"POST", path, body})
		}
	}
	for _, path := range []string{status, status + "?wait=30s", status + "/events", "/api/v1/queues", "/api/v1/queues/email", "/api/v1/queues/email/jobs?status=waiting"} {
		calls = append(calls, call{"GET", path, ""})
	}
	return calls
}

// unavailable sends all calls at once; each must be answered with a 503 soon.
func (s *service) unavailable(calls ...call) {
	s.t.Helper()
	var all sync.WaitGroup
	answers, took, errs := make([]answer, len(calls)), make([]time.Duration, len(calls)), make([]error, len(calls))
	for i, c := range calls {
		all.Go(func() {
			began := time.Now()
			answers[i], errs[i] = s.ask(c.method, c.path, c.body)
			took[i] = time.Since(began)
		})
	}
	all.Wait()
	for i, c := range calls {
		if errs[i] != nil || answers[i].status != 503 || answers[i].header.Get("Retry-After") == "" || took[i] > lenient*soon {
			s.t.Errorf("%s %s: %d after %s, Retry-After %q, %v: %s", c.method, c.path, answers[i].status, took[i],
				answers[i].header.Get("Retry-After"), errs[i], answers[i].body)
		}
	}
}

func TestAJobThatRedisMayHaveIsThereOnceAfterTheSameKey(t *testing.T) {
	t.Parallel()
	target := redistest.Real(t)
	proxy := redistest.Proxy(t, target)
	s := start(t, proxy.Server)
	s.do("POST", "/api/v1/emails", goodEmail).want(t, 202) // scripts are loaded
	proxy.OnRequest(func(args []string) redistest.Action {
		if strings.HasPrefix(strings.ToLower(args[0]), "evalsha") {
			return redistest.CutReply(0)
		}
		return redistest.Forward()
	})
	s.unavailable(call{"POST", "/api/v1/emails", goodEmail}) // without a key the client cannot know
	s.do("POST", "/api/v1/emails", goodEmail, "Idempotency-Key", "k").problem(t, 503)
	proxy.OnRequest(nil)
	before := s.stored()
	first := s.do("POST", "/api/v1/emails", goodEmail, "Idempotency-Key", "k").want(t, 202)
	second := s.do("POST", "/api/v1/emails", goodEmail, "Idempotency-Key", "k").want(t, 202)
	if first.body != second.body || s.stored() != before {
		t.Errorf("%d jobs, were %d; %s and %s", s.stored(), before, first.body, second.body)
	}
}

func TestWithoutTheDatabaseAnswersComeSoon(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	s.do("POST", "/api/v1/emails", goodEmail).want(t, 202) // needs no database
	s.unavailable(call{"GET", "/api/v1/artifacts/a/download", ""}, call{"POST", "/register", postRoutes()["/register"]},
		call{"POST", "/verify", `{"token":"AAAAAAAAAAAAAAAAAAAAAAAAAA"}`})
	before := s.stored()
	for path, body := range postRoutes() {
		if path == "/verify" {
			continue
		}
		a := s.do("POST", path, body, "Idempotency-Key", "k")
		if a.problem(t, 503); a.header.Get("Retry-After") == "" {
			t.Errorf("%s without Retry-After", path)
		}
	}
	if s.stored() != before {
		t.Error("a job was stored under a key that could not be")
	}
}
