package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// busyTimeout is how long a writer waits for a writer of another process.
const busyTimeout = 15 * time.Second

func openSQLite(ctx context.Context, o Options) (*DB, error) {
	path, err := sqlitePath(o)
	if err != nil {
		return nil, err
	}
	if err := createPrivate(path); err != nil {
		return nil, err
	}
	write, err := openWriter(ctx, path)
	if err != nil {
		return nil, err
	}
	read, err := openReader(path, "rw", o.maxConns())
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	return &DB{Read: read, Write: write, dialect: sqliteDialect}, nil
}

// openReader opens connections that refuse to write. mode is rw where this
// process may touch the files beside the database, which WAL has.
func openReader(path, mode string, conns int) (*sql.DB, error) {
	db, err := sql.Open("sqlite", sqliteDSN(path, mode, "query_only(1)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxIdleTime(time.Minute)
	return db, nil
}

// openWriter opens the one connection that writes, and makes it connect now.
func openWriter(ctx context.Context, path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", sqliteDSN(path, "rw", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	if err := enterWAL(ctx, db); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), db.Close())
	}
	return db, nil
}

// enterWAL connects. The first process to do so changes the file to WAL mode,
// and for that step SQLite does not wait as busy_timeout says, so processes
// that start together are given some more tries here.
func enterWAL(ctx context.Context, db *sql.DB) error {
	for deadline := time.Now().Add(busyTimeout); ; {
		err := db.PingContext(ctx)
		if !isBusy(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func isBusy(err error) bool {
	failure, ok := errors.AsType[*sqlite.Error](err)
	return ok && failure.Code()&0xff == sqlitelib.SQLITE_BUSY
}

// sqlitePath reads the file's absolute path from the options.
func sqlitePath(o Options) (string, error) {
	path, known := strings.CutPrefix(o.URL, "sqlite://")
	if !known {
		path, known = strings.CutPrefix(o.URL, "file:")
		path = strings.TrimPrefix(path, "//")
	}
	switch {
	case o.URL == "":
		path = filepath.Join(o.DataDir, "tandem.db")
	case !known:
		return "", errors.New("the URL must begin with postgres:// or sqlite://, or be file: and a path")
	case path == "" || strings.Contains(path, ":memory:"):
		return "", errors.New("the URL names no file: a database in memory would be lost with its connection")
	case strings.ContainsAny(path, "?#"):
		return "", errors.New("a SQLite URL is a path, without parameters and fragment")
	}
	return filepath.Abs(path)
}

// createPrivate makes a missing database file readable by its owner only: it
// holds password hashes. An existing file is not even opened, because closing
// it again would drop the locks that this process may hold on it.
func createPrivate(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return file.Close()
}

// sqliteDSN begins every transaction with BEGIN IMMEDIATE, and treats "text"
// as the column it is in standard SQL and never as a string.
func sqliteDSN(path, mode string, pragmas ...string) string {
	query := url.Values{
		"mode":          {mode},
		"_txlock":       {"immediate"},
		"_dqs":          {"0"},
		"_busy_timeout": {fmt.Sprint(busyTimeout.Milliseconds())},
		"_pragma":       pragmas,
	}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}
	return dsn.String()
}
