package store_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tandemq/tandem/internal/store"
	"github.com/tandemq/tandem/internal/store/storetest"
)

// noon is when these tests play.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func exec(t *testing.T, db *store.DB, statement string, values ...any) {
	t.Helper()
	if _, err := db.Write.ExecContext(t.Context(), statement, values...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func count(t *testing.T, db *store.DB, from string, values ...any) int {
	t.Helper()
	var n int
	if err := db.Read.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+from, values...).Scan(&n); err != nil {
		t.Fatalf("count %s: %v", from, err)
	}
	return n
}

func TestTwentyWritersAreNeverToldThatTheDatabaseIsLocked(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		// Two handles stand for two processes on one file.
		processes := []*store.DB{openURL(t, url), openURL(t, url)}
		exec(t, processes[0], "INSERT INTO audit_log (id, at, actor, action, target) VALUES ('sum', 0, '', '', '')")
		var writers errgroup.Group
		for n := range 20 {
			writers.Go(func() error { return addOneByOne(t.Context(), processes[n%2], 10) })
		}
		if err := writers.Wait(); err != nil {
			t.Fatal(err)
		}
		if got := count(t, processes[0], "audit_log WHERE id = 'sum' AND at = 200"); got != 1 {
			t.Error("an update was lost")
		}
	})
}

// addOneByOne reads a number and writes it back increased, which loses updates
// or deadlocks where transactions do not take the lock at their beginning.
func addOneByOne(ctx context.Context, db *store.DB, times int) error {
	for range times {
		err := db.Tx(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, "UPDATE audit_log SET actor = 'me' WHERE id = 'sum'"); err != nil {
				return err
			}
			var sum int
			if err := tx.QueryRowContext(ctx, "SELECT at FROM audit_log WHERE id = 'sum'").Scan(&sum); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, "UPDATE audit_log SET at = $1 WHERE id = 'sum'", sum+1)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func openURL(t *testing.T, url string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestAnOpenReaderDoesNotHoldUpWriters(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		exec(t, db, "INSERT INTO audit_log (id, at, actor, action, target) VALUES ('a', 1, '', '', ''), ('b', 2, '', '', '')")
		rows, err := db.Read.QueryContext(t.Context(), "SELECT id FROM audit_log")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		if !rows.Next() {
			t.Fatal("no rows to read", rows.Err())
		}
		exec(t, db, "DELETE FROM audit_log")
	})
}

func TestTheSQLiteReaderRefusesToWrite(t *testing.T) {
	db := storetest.SQLite(t)
	if _, err := db.Read.ExecContext(t.Context(), "DELETE FROM users"); err == nil {
		t.Error("a write went through DB.Read")
	}
}

func TestTxRollsBackOnErrorAndOnPanic(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		insert := func(tx *sql.Tx) {
			if _, err := tx.ExecContext(t.Context(), "INSERT INTO audit_log (id, at, actor, action, target) VALUES ('x', 1, '', '', '')"); err != nil {
				t.Fatal(err)
			}
		}
		mishap := errors.New("mishap")
		if err := db.Tx(t.Context(), func(tx *sql.Tx) error { insert(tx); return mishap }); !errors.Is(err, mishap) {
			t.Errorf("Tx returned %v, want the callback's own error", err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_ = db.Tx(t.Context(), func(tx *sql.Tx) error { insert(tx); panic("mishap") })
		}()
		if n := count(t, db, "audit_log"); n != 0 {
			t.Errorf("%d rows were committed", n)
		}
	})
}

func TestPlaceholdersMayStandInAnyOrderAndTwice(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var got string
		err := db.Read.QueryRowContext(t.Context(),
			"SELECT CAST($3 AS TEXT) || CAST($1 AS TEXT) || CAST($2 AS TEXT) || CAST($1 AS TEXT)", "a", "b", "c").Scan(&got)
		if err != nil || got != "caba" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestTheDatabaseFileIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	db, err := store.Open(t.Context(), store.Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "tandem.db"): 0o600, filepath.Join(dir, "tandem.db-wal"): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}
}

func TestSQLiteIsDurable(t *testing.T) {
	db := storetest.SQLite(t)
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "15000"} {
		var got string
		if err := db.Write.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", pragma, got, err, want)
		}
	}
}

func TestDatabaseURLs(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	tests := []struct{ name, url, file, problem string }{
		{"empty", "", "tandem.db", ""},
		{"file", "file:one.db", "one.db", ""},
		{"file with slashes", "file://" + dir + "/two.db", "two.db", ""},
		{"sqlite relative", "sqlite://three.db", "three.db", ""},
		{"sqlite absolute", "sqlite://" + dir + "/four.db", "four.db", ""},
		{"odd characters", "file:a b%41é.db", "a b%41é.db", ""},
		{"memory", "sqlite://:memory:", "", "in memory"},
		{"nothing", "file:", "", "names no file"},
		{"options", "file:x.db?mode=ro", "", "without parameters"},
		{"other database", "mysql://root:hunter2@host/db", "", "must begin with"},
		{"bad postgres", "postgres://root:hunter2@host:notaport/db", "", "cannot be read"},
		{"postgres away", "postgres://root:hunter2@127.0.0.1:1/db", "", "connect"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			db, err := store.Open(t.Context(), store.Options{URL: test.url})
			if err == nil {
				defer db.Close()
			}
			switch {
			case test.problem == "" && err != nil:
				t.Fatal(err)
			case test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)):
				t.Fatalf("error %v, want one that says %q", err, test.problem)
			case err != nil && strings.Contains(err.Error(), "hunter2"):
				t.Errorf("the error shows the password: %v", err)
			}
			if test.file != "" {
				if _, err := os.Stat(test.file); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestOpenStopsWaitingForAServerWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	cancel(stopped)
	_, err := store.Open(ctx, store.Options{URL: "postgres://127.0.0.1:1/db", Patience: time.Hour})
	if !errors.Is(err, stopped) {
		t.Errorf("error %v, want the context's cause", err)
	}
}
