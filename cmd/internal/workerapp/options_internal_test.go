package workerapp

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/config"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/store"
)

func TestWhatIsSetReachesThePartsOfTheWorker(t *testing.T) {
	set := map[string]string{
		"APP_ENV": "development", "ARTIFACT_TTL": "5h", "EXPORT_MAX_BYTES": "7654321", "QUEUE_PREFIX": "jobs",
		"WORKER_NAME": "anna", "LOCK_DURATION": "11s", "SHUTDOWN_TIMEOUT": "12s",
		"KEEP_COMPLETED": "13", "KEEP_COMPLETED_AGE": "14h", "KEEP_FAILED": "15", "KEEP_FAILED_AGE": "16h",
		"KEEP_HISTORY": "17h", "KEEP_AUDIT": "18h",
	}
	c, err := config.LoadWorker(func(name string) (string, bool) { value, ok := set[name]; return value, ok })
	if err != nil {
		t.Fatal(err)
	}
	app := &App{config: c}
	exports := app.exportOptions("/tmp/exports")
	if exports.Lifetime != 5*time.Hour || exports.MaxBytes != 7654321 || exports.TempDir != "/tmp/exports" {
		t.Errorf("exports get %+v", exports)
	}
	pool := app.poolOptions(3, nil, nil)
	if pool.Prefix != "jobs" || pool.Concurrency != 3 || pool.Name != "anna" || pool.LockDuration != 11*time.Second || pool.ShutdownTimeout != 12*time.Second {
		t.Errorf("pools get %+v", pool)
	}
	for _, diff := range []string{
		cmp.Diff(&jobs.Retention{Count: 13, Age: 14 * time.Hour}, pool.KeepCompleted),
		cmp.Diff(&jobs.Retention{Count: 15, Age: 16 * time.Hour}, pool.KeepFailed),
		cmp.Diff(store.Retention{Runs: 17 * time.Hour, Emails: 17 * time.Hour, Audit: 18 * time.Hour}, rowRetention(c.Keep)),
	} {
		if diff != "" {
			t.Errorf("what is kept (-want +got):\n%s", diff)
		}
	}
}
