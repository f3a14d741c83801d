package worker

import (
	"errors"
	"fmt"
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
