package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tandemq/tandem/internal/store"
	"github.com/tandemq/tandem/internal/store/storetest"
)

func TestAForeignDatabaseIsOnlyRead(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		exec(t, openURL(t, url), "INSERT INTO audit_log (id, at, actor, action, target) VALUES ('a', 1, '', '', '')")
		foreign, err := store.OpenForeign(t.Context(), store.Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		defer foreign.Close()
		if n := count(t, foreign, "audit_log"); n != 1 {
			t.Errorf("%d rows, want 1", n)
		}
		for _, statement := range []string{"DELETE FROM audit_log", "CREATE TABLE x (id TEXT)", "DROP TABLE users"} {
			if _, err := foreign.Write.ExecContext(t.Context(), statement); err == nil {
				t.Errorf("%s went through", statement)
			}
		}
	})
}

func TestAForeignFileIsNotMade(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.db")
	if db, err := store.OpenForeign(t.Context(), store.Options{URL: "file:" + missing}); err == nil {
		_ = db.Close()
		t.Error("a missing file was opened")
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("the file was made")
	}
}

func TestAForeignServerIsNotMigrated(t *testing.T) {
	foreign, err := store.OpenForeign(t.Context(), store.Options{URL: storetest.PostgresURL(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	if n := count(t, foreign, "information_schema.tables WHERE table_name = 'schema_migrations'"); n != 0 {
		t.Error("it was migrated")
	}
}
