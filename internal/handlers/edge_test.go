package handlers_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tandemq/tandem/internal/handlers"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/redistest"
)

func withHealth(o *handlers.Options) {
	o.Health = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "ok", r.URL.Path) })
}

func TestProbesReachTheHealthHandler(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t), withHealth)
	for _, path := range []string{"/livez", "/healthz", "/readyz", "/readyz?verbose", "/health"} {
		a := s.do("GET", path, "", "X-API-Key", "").want(t, 200)
		if want, _, _ := strings.Cut("ok "+path, "?"); strings.TrimSpace(a.body) != want {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	without := start(t, redistest.Shared(t))
	without.do("GET", "/health", "").problem(t, 404)
}

func TestARequestIDIsKeptWhenItIsSane(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	a := s.do("POST", "/api/v1/emails", goodEmail, "X-Request-ID", "order-4711-abc", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").want(t, 202)
	if got := a.header.Get("X-Request-ID"); got != "order-4711-abc" {
		t.Errorf("id %q", got)
	}
	job, _ := s.job("email", decode[handlers.Queued](t, a).JobID)
	if !strings.Contains(job.Trace, "tandem.request=order-4711-abc") || !strings.Contains(job.Trace, "0af7651916cd43dd8448eb211c80319c") {
		t.Errorf("trace %s", job.Trace)
	}
	if !strings.Contains(s.logs.String(), `"request_id":"order-4711-abc"`) {
		t.Error("the id is not in the logs")
	}
	for _, bad := range []string{"short", "<script>alert(1)</script>", strings.Repeat("x", 200), "a b c d e f g"} {
		if got := s.do("GET", "/version", "", "X-Request-ID", bad).header.Get("X-Request-ID"); got == bad || len(got) < 16 {
			t.Errorf("id %q became %q", bad, got)
		}
	}
}

func TestSecretsOfAQueryStayOutOfTheLogs(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t))
	s.do("GET", "/verify?token="+secretValue, "")
	s.do("GET", "/api/v1/artifacts/x/download?sig="+secretValue, "")
	s.do("GET", "/"+secretValue, "")
	if strings.Contains(s.logs.String(), secretValue) {
		t.Error(s.logs.String())
	}
}

func TestEveryAnswerIsGuardedAgainstBrowsers(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t), func(o *handlers.Options) { o.PublicURL = "https://tandem.example" })
	for _, path := range []string{"/api/v1/queues", "/nope", "/docs", "/verify?token=x", "/openapi.json"} {
		h := s.do("GET", path, "").header
		for name, part := range map[string]string{
			"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"X-Frame-Options": "DENY", "Strict-Transport-Security": "max-age=", "Cache-Control": "", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if values := h.Values(name); len(values) != 1 || values[0] == "" || !strings.Contains(values[0], part) {
				t.Errorf("%s: %s is %q", path, name, values)
			}
		}
		if policy := h.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || strings.Contains(policy, "script-src") {
			t.Errorf("%s: %s", path, policy)
		}
	}
}

func TestOtherSitesCannotMakeABrowserSend(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t), func(o *handlers.Options) { o.CORSOrigins = []string{"https://app.example"} })
	for path, body := range postRoutes() {
		s.do("POST", path, body, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example").problem(t, 403)
		s.do("POST", path, body, "Origin", "https://evil.example").problem(t, 403)
	}
	s.do("POST", "/api/v1/emails", goodEmail, "Sec-Fetch-Site", "cross-site", "Origin", "https://app.example").want(t, 202)
	if n := s.stored(); n != 1 {
		t.Errorf("%d jobs", n)
	}
}

func TestPagesOfKnownOriginsMayCall(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t), func(o *handlers.Options) { o.CORSOrigins = []string{"https://app.example"} })
	ask := []string{"X-API-Key", "", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization", "Origin"}
	h := s.do("OPTIONS", "/api/v1/emails", "", append(ask, "https://app.example")...).want(t, 204).header
	if h.Get("Access-Control-Allow-Origin") != "https://app.example" || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Idempotency-Key") || h.Get("Vary") != "Origin" {
		t.Errorf("%v", h)
	}
	for _, origin := range []string{"https://evil.example", "null", "https://app.example.evil.example", "http://app.example"} {
		if h := s.do("OPTIONS", "/api/v1/emails", "", append(ask, origin)...).header; h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s may call", origin)
		}
	}
	if h := s.do("GET", "/version", "", "Origin", "https://app.example").header; h.Get("Access-Control-Allow-Origin") == "" || h.Get("Access-Control-Expose-Headers") == "" {
		t.Errorf("%v", h)
	}
}

func TestTooManyRequestsAreTurnedAway(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t), func(o *handlers.Options) {
		o.RateLimit, o.AccountLimit = handlers.Rate{Count: 3, Per: time.Hour}, handlers.Rate{Count: 2, Per: time.Hour}
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	})
	for range 3 {
		s.do("GET", "/api/v1/queues", "").want(t, 200)
	}
	a := s.do("GET", "/api/v1/queues", "")
	if a.problem(t, 429); a.header.Get("Retry-After") == "" || a.header.Get("X-RateLimit-Limit") != "3" {
		t.Errorf("%v", a.header)
	}
	s.do("GET", "/api/v1/jobs/email/x", "", "X-API-Key", readKey).problem(t, 404) // another caller
	s.do("GET", "/version", "").want(t, 200)                                      // never limited

	address := func(forwarded string) int {
		return s.do("POST", "/verify", `{"token":"x"}`, "X-Forwarded-For", forwarded).status
	}
	for _, want := range []int{400, 400, 429} {
		if got := address("203.0.113.7"); got != want {
			t.Errorf("status %d, want %d", got, want)
		}
	}
	if got := address("198.51.100.1, 203.0.113.7, 10.1.2.3"); got != 429 {
		t.Errorf("what the client says of itself is believed: %d", got)
	}
	if got := address("203.0.113.8"); got != 400 {
		t.Errorf("another address: %d", got)
	}
	for i, want := range []int{400, 400, 429} { // one subscriber has all of a /64
		if got := address(fmt.Sprintf("2001:db8:1:2::%d", i)); got != want {
			t.Errorf("address %d of the network: status %d, want %d", i, got, want)
		}
	}
	if got := address("2001:db8:1:3::1"); got != 400 {
		t.Errorf("another network: %d", got)
	}
	for range 3 { // guessing keys is bounded by address
		s.do("GET", "/api/v1/queues", "", "X-API-Key", "wrong", "X-Forwarded-For", "203.0.113.9").problem(t, 401)
	}
	s.do("GET", "/api/v1/queues", "", "X-API-Key", "wrong", "X-Forwarded-For", "203.0.113.9").problem(t, 429)
}

func TestRequestsBeyondTheirNumberAreTurnedAway(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	s := start(t, redistest.Shared(t), func(o *handlers.Options) {
		o.MaxInFlight, o.MaxBulks = 1, 1
		o.Queues["email"] = holding{o.Queues["email"], entered, leave}
	})
	bulk := postRoutes()["/api/v1/jobs/bulk"]
	answers := make(chan answer, 2)
	for path, body := range map[string]string{"/api/v1/emails": goodEmail, "/api/v1/jobs/bulk": bulk} {
		go func() {
			a, err := s.ask("POST", path, body)
			if err != nil {
				t.Error(err)
			}
			answers <- a
		}()
		<-entered
	}
	for path, body := range map[string]string{"/api/v1/emails": goodEmail, "/api/v1/jobs/bulk": bulk} {
		if a := s.do("POST", path, body); a.problem(t, 503).Detail == "" || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: %v", path, a)
		}
	}
	close(leave)
	for range 2 {
		(<-answers).want(t, 202)
	}
}

func TestAJobThatIsRefusedIsToldSoThoughRedisIsNotFit(t *testing.T) {
	t.Parallel()
	unfit := atomic.Bool{}
	s := start(t, redistest.Shared(t), func(o *handlers.Options) {
		o.Fit = func() error {
			if unfit.Load() {
				return errors.New("it would evict jobs")
			}
			return nil
		}
	})
	large := strings.Replace(goodEmail, `"name"`, `"more":"`+strings.Repeat("x", jobs.MaxData)+`","name"`, 1)
	for _, state := range []bool{false, true} {
		unfit.Store(state)
		s.do("POST", "/api/v1/emails", large).problem(t, 413)
	}
	s.do("POST", "/api/v1/emails", goodEmail).problem(t, 503)
	if n := s.stored(); n != 0 {
		t.Errorf("%d jobs are stored", n)
	}
}

// holding is a queue whose jobs are checked and added when the test says so.
type holding struct {
	handlers.Queue
	entered, leave chan struct{}
}

func (h holding) Check(name string, payload any, o jobs.Options) error {
	h.hold()
	return h.Queue.Check(name, payload, o)
}

func (h holding) Add(ctx context.Context, name string, payload any, o jobs.Options) (handlers.Added, error) {
	h.hold()
	return h.Queue.Add(ctx, name, payload, o)
}

func (h holding) hold() {
	h.entered <- struct{}{}
	<-h.leave
}

func TestTheRateOfOneTenantIsNotThatOfAnother(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t), withTokens, func(o *handlers.Options) { o.RateLimit = handlers.Rate{Count: 1, Per: time.Hour} })
	for _, tenant := range []string{"acme", "other"} { // whose people have the same sub
		as := []string{"X-API-Key", "", "Authorization", "Bearer " + bearer(t, jwt.MapClaims{"tenant": tenant})}
		s.do("GET", "/api/v1/jobs/email/x", "", as...).problem(t, 404)
		s.do("GET", "/api/v1/jobs/email/x", "", as...).problem(t, 429)
	}
}

func TestForwardedAddressesOfStrangersAreNotBelieved(t *testing.T) {
	t.Parallel()
	s := start(t, redistest.Shared(t), func(o *handlers.Options) { o.AccountLimit = handlers.Rate{Count: 1, Per: time.Hour} })
	s.do("POST", "/verify", `{"token":"x"}`, "X-Forwarded-For", "203.0.113.1").problem(t, 400)
	s.do("POST", "/verify", `{"token":"x"}`, "X-Forwarded-For", "203.0.113.2").problem(t, 429)
}

func TestRequestsAreMeasuredByRoute(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	s := start(t, redistest.Shared(t), func(o *handlers.Options) { o.Registry = registry })
	s.do("POST", "/api/v1/emails", goodEmail).want(t, 202)
	s.do("POST", "/api/v1/emails", "{").problem(t, 400)
	s.do("GET", "/api/v1/jobs/email/one", "")
	s.do("GET", "/api/v1/jobs/email/two", "")
	s.do("BREW", "/coffee/"+secretValue, "")
	want := `
# HELP http_requests_total Requests answered.
# TYPE http_requests_total counter
http_requests_total{method="GET",route="/api/v1/jobs/{queue}/{id}",status="404"} 2
http_requests_total{method="OTHER",route="unmatched",status="405"} 1
http_requests_total{method="POST",route="/api/v1/emails",status="202"} 1
http_requests_total{method="POST",route="/api/v1/emails",status="400"} 1
# HELP jobs_accepted_total Jobs acknowledged with a 202.
# TYPE jobs_accepted_total counter
jobs_accepted_total{queue="email"} 1
jobs_accepted_total{queue="email-report"} 0
jobs_accepted_total{queue="export"} 0
jobs_accepted_total{queue="report"} 0
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "http_requests_total", "jobs_accepted_total"); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}
