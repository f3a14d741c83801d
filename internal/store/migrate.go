package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"regexp"
	"strconv"
	"time"
)

// Migrations are the numbered files in migrations/, applied in order, each in
// a transaction of its own together with the row in schema_migrations that
// remembers it. Both databases can roll back a CREATE TABLE, so a migration
// that fails leaves nothing behind. A file that has been released never
// changes: its checksum is compared at every start.

// ErrNewerSchema: the database was migrated by a newer version of the program.
var ErrNewerSchema = errors.New("the database schema is newer than this program")

// ErrChangedMigration: a file that was applied is not the file we have.
var ErrChangedMigration = errors.New("an applied migration differs from the one in this program")

//go:embed migrations/*.sql
var migrationFiles embed.FS

func embeddedMigrations() fs.FS {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		panic(err) // the directory is compiled in
	}
	return files
}

// migrationLock is the advisory lock of all migrators on one PostgreSQL
// database. The number has no meaning beyond being ours.
const migrationLock = 7_203_441_926

const createMigrations = `CREATE TABLE IF NOT EXISTS schema_migrations (
	version    INTEGER NOT NULL PRIMARY KEY,
	name       TEXT    NOT NULL,
	checksum   TEXT    NOT NULL,
	applied_at BIGINT  NOT NULL
)`

type migration struct {
	version  int
	name     string
	checksum string
	sql      string
}

// migrate applies what is missing. Several processes may do so at once: each
// step looks and acts under a lock that one of them holds.
func migrate(ctx context.Context, db *DB, files fs.FS, logger *slog.Logger) error {
	all, err := readMigrations(files)
	if err != nil {
		return err
	}
	for {
		applied, err := db.migrateOne(ctx, all)
		if err != nil || applied == nil {
			return err
		}
		logger.InfoContext(ctx, "database migrated", "version", applied.version, "name", applied.name)
	}
}

// migrateOne applies the first migration that is missing and returns it, or
// nil when there is none.
func (db *DB) migrateOne(ctx context.Context, all []migration) (*migration, error) {
	var next *migration
	err := db.Tx(ctx, func(tx *sql.Tx) error {
		if err := db.dialect.lockMigrations(ctx, tx); err != nil {
			return err
		}
		done, err := appliedMigrations(ctx, tx)
		if err != nil {
			return err
		}
		if next, err = nextMigration(all, done); next == nil || err != nil {
			return err
		}
		return next.apply(ctx, tx)
	})
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	return next, nil
}

// lockMigrations holds other migrators off until the transaction ends. On
// SQLite a transaction already is alone.
func (d dialect) lockMigrations(ctx context.Context, tx *sql.Tx) error {
	if d != postgresDialect {
		return nil
	}
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", migrationLock); err != nil {
		return err
	}
	// A change of a table waits for those who read it, and whoever comes later
	// waits behind the change: rather fail, and be started again.
	_, err := tx.ExecContext(ctx, "SET LOCAL lock_timeout = '5s'")
	return err
}

// appliedMigrations returns the checksums of what was applied, by version.
func appliedMigrations(ctx context.Context, tx *sql.Tx) (map[int]string, error) {
	if _, err := tx.ExecContext(ctx, createMigrations); err != nil {
		return nil, err
	}
	rows, err := tx.QueryContext(ctx, "SELECT version, checksum FROM schema_migrations")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	done := map[int]string{}
	for rows.Next() {
		var version int
		var checksum string
		if err := rows.Scan(&version, &checksum); err != nil {
			return nil, err
		}
		done[version] = checksum
	}
	return done, rows.Err()
}

// nextMigration compares what there is with what was done. It is nil, nil when
// the schema is current.
func nextMigration(all []migration, done map[int]string) (*migration, error) {
	for version := range done {
		if version > len(all) {
			return nil, fmt.Errorf("%w: it has version %d, the program knows %d", ErrNewerSchema, version, len(all))
		}
	}
	for i := range all {
		checksum, applied := done[all[i].version]
		if !applied {
			return &all[i], nil
		}
		if checksum != all[i].checksum {
			return nil, fmt.Errorf("%w: %s", ErrChangedMigration, all[i].name)
		}
	}
	return nil, nil
}

func (m *migration) apply(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, m.sql); err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	_, err := tx.ExecContext(ctx,
		"INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)",
		m.version, m.name, m.checksum, time.Now().UnixMilli())
	return err
}

var migrationName = regexp.MustCompile(`^(\d{4})_[a-z0-9_]+\.sql$`)

// readMigrations reads the files in order and insists on 1, 2, 3, …, so that
// two branches cannot both bring a number without somebody noticing.
func readMigrations(files fs.FS) ([]migration, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	var all []migration
	for _, entry := range entries {
		m, err := readMigration(files, entry.Name())
		if err != nil {
			return nil, err
		}
		if m.version != len(all)+1 {
			return nil, fmt.Errorf("migrations: %s should have number %04d", m.name, len(all)+1)
		}
		all = append(all, m)
	}
	return all, nil
}

func readMigration(files fs.FS, name string) (migration, error) {
	parts := migrationName.FindStringSubmatch(name)
	if parts == nil {
		return migration{}, fmt.Errorf("migrations: %s is not named like 0001_what_it_does.sql", name)
	}
	text, err := fs.ReadFile(files, name)
	if err != nil {
		return migration{}, fmt.Errorf("migrations: %w", err)
	}
	version, err := strconv.Atoi(parts[1])
	if err != nil {
		return migration{}, fmt.Errorf("migrations: %w", err)
	}
	sum := sha256.Sum256(text)
	return migration{version: version, name: name, checksum: hex.EncodeToString(sum[:]), sql: string(text)}, nil
}
