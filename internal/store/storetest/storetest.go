// Package storetest lends a fresh, migrated database to a test.
//
//	storetest.Each(t, func(t *testing.T, db *store.DB) { … })
//
// runs the test on SQLite and on PostgreSQL. The server is the one at
// TEST_POSTGRES_URL or, when that is empty, one that this package starts for
// the test binary from the machine's own PostgreSQL; it ends with the binary.
// Each test gets a database of its own. Where there is no PostgreSQL the part is
// skipped, unless CI is set: there it has to run.
package storetest

import (
	"path/filepath"
	"testing"

	"github.com/tandemq/tandem/internal/store"
)

// Each runs the test once on every kind of database.
func Each(t *testing.T, test func(t *testing.T, db *store.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, Postgres(t)) })
}

// EachURL is like Each for tests that open the database themselves.
func EachURL(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, SQLiteURL(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, PostgresURL(t)) })
}

// SQLite opens a database in a directory of the test.
func SQLite(t testing.TB) *store.DB {
	t.Helper()
	return open(t, SQLiteURL(t))
}

// SQLiteURL names a file that does not exist yet.
func SQLiteURL(t testing.TB) string {
	t.Helper()
	return "file:" + filepath.Join(t.TempDir(), "test.db")
}

// Postgres opens a database of the test on a PostgreSQL server.
func Postgres(t testing.TB) *store.DB {
	t.Helper()
	return open(t, PostgresURL(t))
}

func open(t testing.TB, url string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{URL: url})
	if err != nil {
		t.Fatalf("open test database: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close test database: %v", err)
		}
	})
	return db
}
