package worker

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/tandemq/tandem/internal/jobs"
)

func TestWhyAJobFailedForGoodIsCounted(t *testing.T) {
	boom := errors.New("boom")
	for name, tt := range map[string]struct {
		err    error
		number int
		want   string
	}{
		"no attempts left":          {boom, 3, "exhausted"},
		"permanent":                 {jobs.Unrecoverable(boom), 1, "unrecoverable"},
		"permanent, at the last":    {jobs.Unrecoverable(boom), 3, "unrecoverable"},
		"no backoff for its type":   {boom, 1, "unrecoverable"},
		"it killed its workers":     {jobs.Unrecoverable(fmt.Errorf("%w: 3 workers died", errQuarantined)), 1, "quarantined"},
		"the same, at the last one": {jobs.Unrecoverable(fmt.Errorf("%w: 3 workers died", errQuarantined)), 3, "quarantined"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := NewCollector(prometheus.NewRegistry())
			if err != nil {
				t.Fatal(err)
			}
			job := &jobs.Job{Queue: "email", Options: jobs.Options{Attempts: 3}}
			c.Observe(Attempt{Job: job, Number: tt.number, Status: StatusFailed, Error: tt.err})
			if got := testutil.ToFloat64(c.failed.WithLabelValues("email", tt.want)); got != 1 {
				t.Errorf("%s was counted %v times", tt.want, got)
			}
		})
	}
}

func TestExpectedQueuesAreCountedFromZero(t *testing.T) {
	registry := prometheus.NewRegistry()
	c, err := NewCollector(registry)
	if err != nil {
		t.Fatal(err)
	}
	c.Expect("email")
	c.Observe(Attempt{Job: &jobs.Job{Queue: "email"}, Number: 1, Status: StatusFailed, Error: errors.New("boom")})
	want := `
# HELP jobs_processed Attempts that ended, by outcome.
# TYPE jobs_processed counter
jobs_processed{job_type="email",status="completed"} 0
jobs_processed{job_type="email",status="failed"} 1
jobs_processed{job_type="email",status="lost"} 0
jobs_processed{job_type="email",status="released"} 0
jobs_processed{job_type="email",status="retrying"} 0
jobs_processed{job_type="email",status="snoozed"} 0
# HELP tandem_jobs_failed_total Jobs that failed for good, by whether attempts were left.
# TYPE tandem_jobs_failed_total counter
tandem_jobs_failed_total{queue="email",reason="exhausted"} 1
tandem_jobs_failed_total{queue="email",reason="quarantined"} 0
tandem_jobs_failed_total{queue="email",reason="unrecoverable"} 0
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "jobs_processed", "tandem_jobs_failed_total"); err != nil {
		t.Error(err)
	}
}
