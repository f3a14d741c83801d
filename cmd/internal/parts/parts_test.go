package parts_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tandemq/tandem/cmd/internal/boot"
	"github.com/tandemq/tandem/cmd/internal/parts"
	"github.com/tandemq/tandem/internal/config"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/admin"
	"github.com/tandemq/tandem/internal/redistest"
)

// queue has fixed counts, and remembers how often it was asked.
type queue struct {
	name   string
	counts admin.Counts
	err    error
	asked  int
}

func (q *queue) Name() string { return q.name }

func (q *queue) Counts(context.Context) (admin.Counts, error) {
	q.asked++
	return q.counts, q.err
}

func TestJobQueueIsHealthyBelowItsLimits(t *testing.T) {
	for name, tt := range map[string]struct {
		counts admin.Counts
		err    error
		want   string
	}{
		"empty":            {},
		"at the brink":     {counts: admin.Counts{Waiting: 999, Failed: 99}},
		"too many waiting": {counts: admin.Counts{Waiting: 1000}, want: "queue email has 1000 waiting jobs"},
		"too many failed":  {counts: admin.Counts{Failed: 100}, want: "queue email has 100 failed jobs"},
		"redis away":       {err: jobs.ErrUnavailable, want: "redis is unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			check := parts.JobQueueCheck([]parts.Counter{&queue{name: "email", counts: tt.counts, err: tt.err}})
			if check.Name != "job-queue" || !check.Required {
				t.Errorf("check is %q, required %t", check.Name, check.Required)
			}
			wantError(t, check.Func(t.Context()), tt.want)
		})
	}
}

// pool last heard from Redis so long ago.
type pool struct{ silent time.Duration }

func (p pool) Queue() string        { return "email" }
func (p pool) LastPulse() time.Time { return time.Now().Add(-p.silent) }

func TestOnlyAPoolThatIsDeafWhileWorkWaitsIsDead(t *testing.T) {
	waiting := admin.Counts{Waiting: 1}
	for name, tt := range map[string]struct {
		silent time.Duration
		counts admin.Counts
		err    error
		want   string
	}{
		"well":          {silent: time.Second, counts: waiting},
		"nothing to do": {silent: time.Hour},
		"paused":        {silent: time.Hour, counts: admin.Counts{Waiting: 1, Paused: true}},
		"redis away":    {silent: time.Hour, err: errors.New("no answer")},
		"deaf":          {silent: time.Hour, counts: waiting, want: "has been deaf for 1h0m0s while work waits"},
	} {
		t.Run(name, func(t *testing.T) {
			q := &queue{name: "email", counts: tt.counts, err: tt.err}
			check := parts.ConsumptionCheck([]parts.Consumer{pool{tt.silent}}, map[string]parts.Counter{"email": q})
			if !check.Live {
				t.Error("a deaf worker must be restarted")
			}
			wantError(t, check.Func(t.Context()), tt.want)
		})
	}
}

// hanging never answers, as a Redis that is frozen or whose packets are dropped.
type hanging struct{}

func (hanging) Name() string { return "email" }

func (hanging) Counts(ctx context.Context) (admin.Counts, error) {
	<-ctx.Done()
	return admin.Counts{}, ctx.Err()
}

func TestAWorkerWhoseRedisHangsIsNotRestarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { wantAlive(t, hanging{}) })
}

func TestAWorkerWhoseRedisIsFrozenIsNotRestarted(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{})
	conn, err := parts.Redis(config.Redis{URL: config.NewSecretURL(server.URL)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	queues, err := parts.Counters(conn, "bull")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := queues[0].Counts(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Pause()
	wantAlive(t, queues[0])
}

// wantAlive wants a worker to be alive whose pools have heard nothing for long,
// and which counts what waits like this.
func wantAlive(t *testing.T, counter parts.Counter) {
	t.Helper()
	deaf := []parts.Consumer{pool{time.Hour}, pool{time.Hour}, pool{time.Hour}, pool{time.Hour}}
	health := boot.NewHealth(boot.HealthOptions{})
	health.Add(parts.ConsumptionCheck(deaf, map[string]parts.Counter{"email": counter}))
	health.Serving()
	answer := httptest.NewRecorder()
	health.Handler(true).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/livez?verbose", nil))
	if answer.Code != http.StatusOK || answer.Body.String() != "[+] consumption ok\nok\n" {
		t.Errorf("/livez: %d %q", answer.Code, answer.Body)
	}
}

func TestQueueMetricsReadOnceForManyScrapes(t *testing.T) {
	email := &queue{name: "email", counts: admin.Counts{Waiting: 3, Prioritized: 2, Failed: 1, OldestWaitingMs: 1500}}
	export := &queue{name: "export", err: jobs.ErrUnavailable}
	registry := prometheus.NewRegistry()
	registry.MustRegister(parts.NewQueueMetrics([]parts.Counter{email, export}, slog.New(slog.DiscardHandler)))
	want := `
# HELP tandem_queue_jobs Jobs in a queue, by state; waiting includes prioritized ones.
# TYPE tandem_queue_jobs gauge
tandem_queue_jobs{queue="email",state="active"} 0
tandem_queue_jobs{queue="email",state="completed"} 0
tandem_queue_jobs{queue="email",state="delayed"} 0
tandem_queue_jobs{queue="email",state="failed"} 1
tandem_queue_jobs{queue="email",state="prioritized"} 2
tandem_queue_jobs{queue="email",state="waiting"} 3
tandem_queue_jobs{queue="email",state="waiting-children"} 0
# HELP tandem_queue_oldest_waiting_seconds How long the job that is next has stood in line, without delays and backoffs; 0 when none waits.
# TYPE tandem_queue_oldest_waiting_seconds gauge
tandem_queue_oldest_waiting_seconds{queue="email"} 1.5
# HELP tandem_queue_paused 1 while the queue is paused.
# TYPE tandem_queue_paused gauge
tandem_queue_paused{queue="email"} 0
# HELP tandem_queue_up 0 when the counts of the queue could not be read.
# TYPE tandem_queue_up gauge
tandem_queue_up{queue="email"} 1
tandem_queue_up{queue="export"} 0
`
	for range 3 {
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
			t.Fatal(err)
		}
	}
	if email.asked != 1 {
		t.Errorf("redis was asked %d times", email.asked)
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("error: %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("error is %v, want one with %q", err, want)
	}
}
