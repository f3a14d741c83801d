package e2e_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/store/storetest"
)

func TestARequestIsAnsweredTheSameAfterItsAPIWasKilled(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, database string) {
		w := newWorld(t, database)
		first := w.api()
		said := first.post("/api/v1/emails", generic("ada@example.com"), "Idempotency-Key", "order-1").want(t, 202)
		first.kill()
		second := w.api()
		again := second.post("/api/v1/emails", generic("ada@example.com"), "Idempotency-Key", "order-1").want(t, 202)
		if again.body != said.body || again.header.Get("Location") != said.header.Get("Location") || again.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("first %s, then %s with %v", said.body, again.body, again.header)
		}
		second.post("/api/v1/emails", generic("grace@example.com"), "Idempotency-Key", "order-1").want(t, 422)
		w.worker()
		completed[map[string]any](second, decode[queued](t, said).StatusURL)
		if n := len(w.await(1)); n != 1 {
			t.Errorf("%d mails", n)
		}
	})
}

func TestARequestThatDiedHalfWayAddsOneJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.PostgresURL(t))
	first := w.api()
	first.get("/api/v1/queues").want(t, 200) // Redis is connected
	w.redis.Pause()
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = first.try(ctx, "POST", "/api/v1/emails", generic("ada@example.com"), "Idempotency-Key", "order-2") // nobody is left to answer
	}()
	eventually(t, "the request is in flight", func() bool {
		return query[int](w, "SELECT COUNT(*) FROM idempotency WHERE state = 'in_flight'") == 1
	})
	first.kill()
	<-gone
	cancel()
	w.redis.Resume()

	second := w.api()
	repeat := func() answer {
		return second.post("/api/v1/emails", generic("ada@example.com"), "Idempotency-Key", "order-2")
	}
	if a := repeat().want(t, 409); a.header.Get("Retry-After") == "" {
		t.Errorf("no Retry-After: %s", a.body)
	}
	w.exec("UPDATE idempotency SET lease_until = 1") // as time does
	q := decode[queued](t, repeat().want(t, 202))
	w.worker()
	completed[map[string]any](second, q.StatusURL)
	counts := decode[map[string]any](t, second.get("/api/v1/queues/email").want(t, 200))
	if counts["completed"] != 1.0 || counts["waiting"] != 0.0 {
		t.Errorf("counts %v", counts)
	}
}

func TestACallerMayDoWhatTheirKeySays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLiteURL(t))
	api := w.api()
	q := api.add("/api/v1/emails", generic("ada@example.com"))
	post := func(path, body string) func(*service) answer {
		return func(s *service) answer { return s.post(path, body) }
	}
	get := func(path string) func(*service) answer { return func(s *service) answer { return s.get(path) } }
	for _, test := range []struct {
		name string
		ask  func(*service) answer
		want map[string]int // status by caller
	}{
		{"adds a mail", post("/api/v1/emails", generic("ada@example.com")), map[string]int{"nobody": 401, "stranger": 401, "reader": 403, "acme": 202, "full": 202}},
		{"looks at a job without a tenant", get(q.StatusURL), map[string]int{"nobody": 401, "stranger": 401, "reader": 200, "acme": 404, "full": 200}},
		{"looks at the queues", get("/api/v1/queues"), map[string]int{"nobody": 401, "stranger": 401, "reader": 403, "acme": 403, "full": 200}},
		{"asks for a report of acme", post("/api/v1/reports", signups("acme")), map[string]int{"nobody": 401, "reader": 403, "acme": 202, "full": 202}},
		{"asks for a report of another", post("/api/v1/reports", signups("other")), map[string]int{"acme": 403, "full": 202}},
		{"asks for health", get("/healthz"), map[string]int{"nobody": 200, "stranger": 200}},
	} {
		got := map[string]int{}
		for caller := range test.want {
			got[caller] = test.ask(api.as(keyOf(caller))).status
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("who %s (-want +got):\n%s", test.name, diff)
		}
	}
	if a := api.get(q.StatusURL, "Authorization", "", "X-API-Key", readKey); a.status != 200 {
		t.Errorf("X-API-Key: %s", a.body)
	}
	if log := api.stderr.String(); strings.Contains(log, readKey) || strings.Contains(log, keyOf("stranger")) {
		t.Error("a key is in the log")
	}
}

// keyOf is the key of a caller: "-" is none at all.
func keyOf(caller string) string {
	return map[string]string{
		"nobody": "-", "stranger": "strange-0123456789abcdef", "reader": readKey, "acme": tenantKey, "full": fullKey,
	}[caller]
}
