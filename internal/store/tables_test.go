package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tandemq/tandem/internal/store"
	"github.com/tandemq/tandem/internal/store/storetest"
)

func artifact(id string) store.Artifact {
	return store.Artifact{
		ID: id, Kind: "export", OwnerID: "u1", TenantID: "acme", StorageKey: "exports/" + id, Filename: "users.csv",
		ContentType: "text/csv", Bytes: 1234, SHA256: "ab", Rows: 7, JobID: "job-" + id, CreatedAt: noon, ExpiresAt: noon.Add(time.Hour),
	}
}

func TestAnArtifactsLife(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, files := t.Context(), store.NewArtifacts(db)
		for _, id := range []string{"a", "b"} {
			if err := files.Create(ctx, artifact(id)); err != nil {
				t.Fatal(err)
			}
		}
		got, err := files.Get(ctx, "a")
		if diff := cmp.Diff(artifact("a"), got); diff != "" || err != nil {
			t.Errorf("what was created is not what was read: %v\n%s", err, diff)
		}
		if early, err := files.Expired(ctx, noon.Add(time.Hour-1), 10); err != nil || len(early) > 0 {
			t.Errorf("expired too early: %v, %v", early, err)
		}
		if due, err := files.Expired(ctx, noon.Add(time.Hour), 1); err != nil || len(due) != 1 || due[0].ID != "a" {
			t.Errorf("expired: %v, %v; want a, and no more than the limit", due, err)
		}

		for _, at := range []time.Time{noon.Add(2 * time.Hour), noon.Add(3 * time.Hour)} {
			if err := files.MarkDeleted(ctx, "a", at); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := files.Get(ctx, "a"); err != nil || !got.DeletedAt.Equal(noon.Add(2*time.Hour)) {
			t.Errorf("deleted at %v, %v; want the first time", got.DeletedAt, err)
		}
		if due, err := files.Expired(ctx, noon.Add(4*time.Hour), 10); err != nil || len(due) != 1 || due[0].ID != "b" {
			t.Errorf("expired: %v, %v; want b only", due, err)
		}
	})
}

func TestAJobThatRunsAgainReplacesItsArtifactAndNoOther(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, files := t.Context(), store.NewArtifacts(db)
		first, second, foreign := artifact("a"), artifact("a"), artifact("a")
		second.Bytes, second.SHA256 = 99, "cd"
		foreign.JobID = "another"
		for _, a := range []store.Artifact{first, second} {
			if err := files.Create(ctx, a); err != nil {
				t.Fatal(err)
			}
		}
		if err := files.Create(ctx, foreign); !errors.Is(err, store.ErrArtifactTaken) {
			t.Errorf("another job's artifact: %v, want ErrArtifactTaken", err)
		}
		if got, err := files.Get(ctx, "a"); err != nil || !cmp.Equal(got, second) {
			t.Errorf("stored %v, %v; want the second attempt's", got, err)
		}
		if _, err := files.Get(ctx, "nothing"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a missing artifact: %v, want ErrNotFound", err)
		}
	})
}

func TestTheAuditLogIsReadBackwardsInPages(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, audit := t.Context(), store.NewAudit(db)
		for n := range 5 { // two of them at the same time
			e := store.AuditEntry{At: noon.Add(time.Duration(n/2) * time.Second), Actor: "key:ops", Action: "queue.pause", Target: fmt.Sprint(n), RequestID: "r", Detail: "a\x00b"}
			if err := audit.Append(ctx, e); err != nil {
				t.Fatal(err)
			}
		}
		var targets []string
		var last store.AuditEntry
		for {
			page, err := audit.Latest(ctx, last, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, e := range page {
				targets = append(targets, e.Target)
			}
			last = page[len(page)-1]
		}
		if diff := cmp.Diff([]string{"4", "3", "2", "1", "0"}, targets); diff != "" {
			t.Error(diff)
		}
		want := store.AuditEntry{At: noon, Actor: "key:ops", Action: "queue.pause", Target: "0", RequestID: "r", Detail: "ab"}
		if diff := cmp.Diff(want, last, cmpopts.IgnoreFields(store.AuditEntry{}, "ID")); diff != "" {
			t.Error(diff)
		}
	})
}
