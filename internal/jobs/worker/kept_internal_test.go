package worker

import (
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
)

func TestALargeRetentionIsEnforcedNowAndThen(t *testing.T) {
	own := &jobs.Retention{Count: 1}
	tests := []struct {
		name   string
		policy jobs.Retention
		own    *jobs.Retention
		want   int // of 160 ends, how many carry a retention
	}{
		{"many are kept", jobs.Retention{Count: 10_000, Age: time.Hour}, nil, 10},
		{"few are kept", jobs.Retention{Count: 100}, nil, 640},
		{"none are kept", jobs.Retention{None: true}, nil, 640},
		{"by age alone", jobs.Retention{Age: time.Hour}, nil, 640},
		{"the job says so itself", jobs.Retention{Count: 10_000}, own, 640},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := kept{policy: &tt.policy}
			got := 0
			for range 640 {
				switch r := k.of(tt.own); {
				case r == nil:
				case tt.own != nil && r != tt.own:
					t.Fatalf("the retention is %v, not the job's own", r)
				default:
					got++
				}
			}
			if got != tt.want {
				t.Errorf("%d ends carry a retention, want %d", got, tt.want)
			}
		})
	}
}
