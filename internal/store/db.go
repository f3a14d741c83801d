package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Options say where the database is. The zero value is SQLite in the working
// directory.
type Options struct {
	// URL is postgres://… or postgresql://… for a server, and file:path or
	// sqlite://path for SQLite. Empty is SQLite in DataDir.
	URL string
	// DataDir holds tandem.db when URL is empty. It is made when absent.
	DataDir string
	// MaxConns bounds the open connections; 0 is 10. On SQLite it bounds the
	// readers.
	MaxConns int
	// Patience is how long Open keeps trying a server that cannot be reached,
	// because it may be starting too; 0 tries once.
	Patience time.Duration
	// Logger hears of migrations; nil is silent.
	Logger *slog.Logger
}

func (o Options) maxConns() int {
	if o.MaxConns > 0 {
		return o.MaxConns
	}
	return 10
}

func (o Options) logger() *slog.Logger {
	if o.Logger != nil {
		return o.Logger
	}
	return slog.New(slog.DiscardHandler)
}

// ErrNotFound: no row has that id.
var ErrNotFound = errors.New("not found")

// DB is an open database with a current schema. The two handles are safe for
// concurrent use; the package comment says which is for what.
type DB struct {
	Read    *sql.DB
	Write   *sql.DB
	dialect dialect
}

// dialect is what the two databases do not say in the same words.
type dialect string

const (
	sqliteDialect   dialect = "sqlite"
	postgresDialect dialect = "postgres"
)

// skipLocked ends a SELECT whose rows this transaction is about to change, and
// leaves out those that another one is changing. SQLite has one writer, so
// there it is nothing.
func (d dialect) skipLocked() string {
	if d == postgresDialect {
		return " FOR UPDATE SKIP LOCKED"
	}
	return ""
}

// Open connects, brings the schema up to date and returns the database. It
// fails with ErrNewerSchema or ErrChangedMigration when the schema is not one
// that this program can work with. The error never contains the URL, which may
// hold a password.
func Open(ctx context.Context, o Options) (*DB, error) {
	db, err := open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := db.prepare(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", err), db.Close())
	}
	return db, nil
}

func open(ctx context.Context, o Options) (*DB, error) {
	if isPostgres(o.URL) {
		return openPostgres(o, nil)
	}
	return openSQLite(ctx, o)
}

// CheckURL says whether Open can read the URL of a database. It opens nothing, and
// the error does not repeat the URL.
func CheckURL(url string) (err error) {
	if isPostgres(url) {
		_, err = parsePostgres(url)
	} else {
		_, err = sqlitePath(Options{URL: url})
	}
	return err
}

func isPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

func (db *DB) prepare(ctx context.Context, o Options) error {
	if err := db.reach(ctx, o.Patience); err != nil {
		return err
	}
	return migrate(ctx, db, embeddedMigrations(), o.logger())
}

// reach pings until an answer comes or patience runs out.
func (db *DB) reach(ctx context.Context, patience time.Duration) error {
	giveUp := time.Now().Add(patience)
	for {
		err := db.Ping(ctx)
		if err == nil || !time.Now().Before(giveUp) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// Ping reports whether the database answers. It is what a health check calls.
func (db *DB) Ping(ctx context.Context) error { return db.Read.PingContext(ctx) }

// Kind is "sqlite" or "postgres", for logs and health pages.
func (db *DB) Kind() string { return string(db.dialect) }

// Close closes both handles after their running statements have ended.
func (db *DB) Close() error {
	if db.Read == db.Write {
		return db.Write.Close()
	}
	return errors.Join(db.Read.Close(), db.Write.Close())
}

// Tx runs do in a transaction and commits it if do returns nil. Otherwise, and
// on a panic, everything is rolled back and the error is do's own. Use nothing
// but tx inside.
func (db *DB) Tx(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := db.Write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing once committed
	if err := do(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
