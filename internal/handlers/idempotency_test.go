package handlers_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/handlers"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/internal/store"
)

func TestTheSameKeyAndBodyGiveTheSameAnswer(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	for path, body := range postRoutes() {
		if path == "/verify" {
			continue
		}
		before := s.stored()
		first := s.do("POST", path, body, "Idempotency-Key", "key-1")
		second := s.do("POST", path, body, "Idempotency-Key", "key-1")
		if first.status >= 300 || first.header.Get("Idempotency-Replayed") != "" {
			t.Errorf("%s: first answer %d %s", path, first.status, first.body)
		}
		if second.status != first.status || second.body != first.body || second.header.Get("Location") != first.header.Get("Location") ||
			second.header.Get("Content-Type") != first.header.Get("Content-Type") || second.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("%s: second answer %d %v %s, first %d %s", path, second.status, second.header, second.body, first.status, first.body)
		}
		if n := s.stored() - before; strings.HasPrefix(path, "/api") && n != 1 {
			t.Errorf("%s: %d jobs", path, n)
		}
	}
	if n := len(s.mails()); n != 1 {
		t.Errorf("%d mails for one registration", n)
	}
}

func TestAnotherRequestUnderTheSameKeyIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	s.do("POST", "/api/v1/emails", goodEmail, "Idempotency-Key", "k").want(t, 202)
	p := s.do("POST", "/api/v1/emails", with(goodEmail, "ada@", "eve@"), "Idempotency-Key", "k").problem(t, 422)
	if p.Type != "/docs#idempotency-mismatch" {
		t.Errorf("%+v", p)
	}
	bulk := `{"jobs":[{"data":` + goodJob + `}]}`
	s.do("POST", "/api/v1/jobs/bulk", bulk, "Idempotency-Key", "k").want(t, 202)
	s.do("POST", "/api/v1/jobs/bulk?partial=true", bulk, "Idempotency-Key", "k").problem(t, 422)
	if n := s.stored(); n != 2 {
		t.Errorf("%d jobs", n)
	}
}

func TestAKeyIsItsCallersAndItsRoutesOwn(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	ids := map[string]bool{}
	for _, key := range []string{fullKey, writeKey, tenantKey} {
		for _, path := range []string{"/api/v1/emails", "/api/v1/jobs"} {
			body := map[string]string{"/api/v1/emails": goodEmail, "/api/v1/jobs": goodJob}[path]
			a := s.do("POST", path, body, "X-API-Key", key, "Idempotency-Key", "shared").want(t, 202)
			ids[decode[handlers.Queued](t, a).JobID] = true
		}
	}
	if len(ids) != 6 || s.stored() != 6 {
		t.Errorf("%d ids, %d jobs", len(ids), s.stored())
	}
}

func TestTokensOfOneSubjectInSeveralTenantsAreSeveralCallers(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t), withTokens)
	bindings := []jwt.MapClaims{
		{}, {"tenant": "acme"}, {"tenant": "evil"}, {"tenant": "acme", "user": "u1"}, {"user": "u1"}, {"user": "acme"},
		{"sub": `ada" "acme`}, {"sub": `"jwt:ada" "acme" ""`}, {"tenant": `acme" "u1`},
	}
	ids := map[string]bool{}
	for _, claims := range bindings {
		token := bearer(t, claims)
		for range 2 {
			a := s.do("POST", "/api/v1/emails", goodEmail, "X-API-Key", "", "Authorization", "Bearer "+token, "Idempotency-Key", "shared").want(t, 202)
			ids[decode[handlers.Queued](t, a).JobID] = true
		}
	}
	if len(ids) != len(bindings) || s.stored() != int64(len(bindings)) {
		t.Errorf("%d ids and %d jobs of %d callers", len(ids), s.stored(), len(bindings))
	}
}

func TestManyRequestsUnderOneKeyAddOneJob(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	var all sync.WaitGroup
	answers := make([]answer, 16)
	for i := range answers {
		all.Go(func() { answers[i], _ = s.ask("POST", "/api/v1/emails", goodEmail, "Idempotency-Key", "race") })
	}
	all.Wait()
	accepted := map[string]bool{}
	for _, a := range answers {
		switch a.status {
		case 202:
			accepted[decode[handlers.Queued](t, a).JobID] = true
		case 409:
			if a.problem(t, 409); a.header.Get("Retry-After") == "" {
				t.Error("a 409 without Retry-After")
			}
		default:
			t.Errorf("status %d: %s", a.status, a.body)
		}
	}
	if len(accepted) != 1 || s.stored() != 1 {
		t.Errorf("%d ids, %d jobs", len(accepted), s.stored())
	}
}

func TestWhatWasRefusedMayBeSentAgainUnderItsKey(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	s.do("POST", "/api/v1/emails", with(goodEmail, "ada@example.com", "nobody"), "Idempotency-Key", "k").problem(t, 422)
	s.do("POST", "/api/v1/emails", goodEmail, "Idempotency-Key", "k").want(t, 202)
}

func TestKeysThatCannotBeKeysAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	for _, key := range []string{strings.Repeat("k", 256), "with space", "ümlaut"} {
		p := s.do("POST", "/api/v1/emails", goodEmail, "Idempotency-Key", key).problem(t, 422)
		if fields(p) != "Idempotency-Key" {
			t.Errorf("key %q: %+v", key, p)
		}
	}
}

// forgetful is a database that dies after Redis has the job: the answer is never
// stored, and the lease runs out.
type forgetful struct{ handlers.Idempotency }

func (forgetful) Finish(context.Context, store.Ticket, store.Answer) error {
	return errors.New("the database is away")
}

func TestACrashBetweenRedisAndTheDatabaseMakesNoSecondJob(t *testing.T) {
	t.Parallel()
	bodies := map[string]string{
		"/api/v1/emails":    goodEmail,
		"/api/v1/jobs/bulk": `{"jobs":[{"data":` + goodJob + `},{"data":` + goodJob + `}]}`,
	}
	for path, body := range bodies {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			s := start(t, redistest.Shared(t), func(o *handlers.Options) { o.Idempotency = forgetful{o.Idempotency} })
			first := s.do("POST", path, body, "Idempotency-Key", "k").want(t, 202)
			jobs := s.stored()
			s.do("POST", path, body, "Idempotency-Key", "k").problem(t, 409)
			s.now.Store(int64(time.Minute)) // the lease of the first is over
			second := s.do("POST", path, body, "Idempotency-Key", "k").want(t, 202)
			if diff := cmp.Diff(first.body, second.body); diff != "" {
				t.Errorf("the answers differ:\n%s", diff)
			}
			if s.stored() != jobs {
				t.Errorf("%d jobs, were %d", s.stored(), jobs)
			}
		})
	}
}

// panicking is a queue in which the program has a mistake.
type panicking struct{ handlers.Queue }

func (panicking) Add(context.Context, string, any, jobs.Options) (handlers.Added, error) {
	panic("a mistake with " + secretValue)
}

func TestAPanicIsAProblemAndGivesTheKeyBack(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t), func(o *handlers.Options) { o.Queues["email"] = panicking{o.Queues["email"]} })
	for range 2 {
		a := s.do("POST", "/api/v1/emails", goodEmail, "Idempotency-Key", "k")
		if a.problem(t, 500); strings.Contains(a.body, secretValue) || strings.Contains(a.body, "goroutine") {
			t.Errorf("the panic comes out: %s", a.body)
		}
	}
	if !strings.Contains(s.logs.String(), "handler panicked") {
		t.Error("the panic is not in the logs")
	}
}
