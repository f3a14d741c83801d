package handlers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/handlers"
	"github.com/tandemq/tandem/internal/redistest"
)

// soon is what the API promises for its answer while something is away.
const soon = 2 * time.Second

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
			t.Run("all routes", func(t *testing.T) {
				for path, body := range postRoutes() {
					if strings.HasPrefix(path, "/api") {
						t.Run(path, func(t *testing.T) { t.Parallel(); s.on(t).unavailable("POST", path, body) })
					}
				}
				for _, path := range []string{queued.StatusURL, queued.StatusURL + "?wait=30s", queued.StatusURL + "/events", "/api/v1/queues", "/api/v1/queues/email", "/api/v1/queues/email/jobs?status=waiting"} {
					t.Run(path, func(t *testing.T) { t.Parallel(); s.on(t).unavailable("GET", path, "") })
				}
			})
			s.do("POST", "/register", `{"name":"Ada","email":"ada@example.com","password":"correct horse battery staple"}`).want(t, 201)
			outage.end(redis)
			deadline := time.Now().Add(time.Second)
			for s.do("POST", "/api/v1/emails", goodEmail).status != 202 {
				if time.Now().After(deadline) {
					t.Fatal("not ready again a second after Redis")
				}
			}
		})
	}
}

func (s *service) unavailable(method, path, body string) {
	s.t.Helper()
	began := time.Now()
	a := s.do(method, path, body)
	a.problem(s.t, 503)
	if took := time.Since(began); took > soon {
		s.t.Errorf("%s %s took %s", method, path, took)
	}
	if a.header.Get("Retry-After") == "" {
		s.t.Errorf("%s %s without Retry-After", method, path)
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
	s.unavailable("POST", "/api/v1/emails", goodEmail) // without a key the client cannot know
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
	s.unavailable("GET", "/api/v1/artifacts/a/download", "")
	s.unavailable("POST", "/register", `{"name":"Ada","email":"ada@example.com","password":"correct horse battery staple"}`)
	s.unavailable("POST", "/verify", `{"token":"AAAAAAAAAAAAAAAAAAAAAAAAAA"}`)
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
