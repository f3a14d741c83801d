package workerapp

import (
	"errors"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/export"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/report/maker"
	"github.com/tandemq/tandem/internal/store"
	"github.com/tandemq/tandem/internal/store/storetest"
)

func TestAReportWhoseIDIsAnothersIsNotTriedAgainAndAnOutageIs(t *testing.T) {
	db := storetest.SQLite(t)
	table := reportArtifacts{store.NewArtifacts(db)}
	file := maker.Artifact{ID: "a", JobID: "first", StorageKey: "k", CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}
	for range 2 { // a job that runs again writes over its own
		if err := table.Save(t.Context(), file); err != nil {
			t.Fatal(err)
		}
	}
	file.JobID = "second"
	if err := table.Save(t.Context(), file); !jobs.IsUnrecoverable(err) || !errors.Is(err, store.ErrArtifactTaken) {
		t.Errorf("another job's id: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := table.Save(t.Context(), file); err == nil || jobs.IsUnrecoverable(err) {
		t.Errorf("without a database: %v", err)
	}
}

func TestAnExportWhoseIDIsAnothersIsNotTriedAgain(t *testing.T) {
	table := exportArtifacts{store.NewArtifacts(storetest.SQLite(t))}
	made := export.Artifact{ID: "a1", Kind: "export", OwnerID: "ada", TenantID: "acme", JobID: "nightly", CreatedAt: time.Now(), ExpiresAt: time.Now()}
	for range 2 { // a job that runs again meets its own row
		if err := table.Create(t.Context(), made); err != nil {
			t.Fatal(err)
		}
	}
	made.TenantID = "evil"
	if err := table.Create(t.Context(), made); !jobs.IsUnrecoverable(err) {
		t.Errorf("an export of another tenant: %v", err)
	}
}
