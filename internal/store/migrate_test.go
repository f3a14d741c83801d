package store_test

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/tandemq/tandem/internal/store"
	"github.com/tandemq/tandem/internal/store/storetest"
)

func TestProcessesThatStartTogetherMigrateOnce(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		var processes errgroup.Group
		for range 8 {
			processes.Go(func() error {
				db, err := store.Open(t.Context(), store.Options{URL: url})
				if err != nil {
					return err
				}
				return db.Close()
			})
		}
		if err := processes.Wait(); err != nil {
			t.Fatal(err)
		}
		if n := count(t, openURL(t, url), "schema_migrations WHERE version = 1"); n != 1 {
			t.Errorf("migration 1 is recorded %d times", n)
		}
	})
}

func TestOpenRefusesASchemaItDoesNotKnow(t *testing.T) {
	tests := []struct {
		name, tamper string
		want         error
	}{
		{"newer", "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (9999, '9999_future.sql', 'x', 0)", store.ErrNewerSchema},
		{"changed", "UPDATE schema_migrations SET checksum = 'x' WHERE version = 1", store.ErrChangedMigration},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			storetest.EachURL(t, func(t *testing.T, url string) {
				exec(t, openURL(t, url), test.tamper)
				db, err := store.Open(t.Context(), store.Options{URL: url})
				if err == nil {
					_ = db.Close()
				}
				if !errors.Is(err, test.want) {
					t.Errorf("error %v, want %v", err, test.want)
				}
			})
		})
	}
}

// Whoever comes after a migration that waits for a table waits behind it: it does
// not wait for ever.
func TestAMigrationThatFindsItsTableInUseGivesUp(t *testing.T) {
	t.Parallel()
	url := storetest.PostgresURL(t)
	db := openURL(t, url)
	exec(t, db, "DELETE FROM schema_migrations WHERE version = 2; ALTER TABLE users DROP COLUMN notified_at")
	reader, err := db.Read.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Rollback() }()
	if _, err := reader.ExecContext(t.Context(), "SELECT FROM users"); err != nil {
		t.Fatal(err)
	}
	if late, err := store.Open(t.Context(), store.Options{URL: url}); err == nil || !strings.Contains(err.Error(), "lock timeout") {
		t.Fatalf("opened %t, %v; wanted the end of its patience", late != nil, err)
	}
	if err := reader.Rollback(); err != nil {
		t.Fatal(err)
	}
	if n := count(t, openURL(t, url), "schema_migrations WHERE version = 2"); n != 1 {
		t.Errorf("once the table is free, the migration is recorded %d times", n)
	}
}
