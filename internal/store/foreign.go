package store

import (
	"context"
	"errors"
	"fmt"
)

// OpenForeign connects to a database that is not ours: an operator's, which is
// only read. Nothing is made, migrated or changed in it, and it refuses
// statements that would: on SQLite the file is opened for reading, on
// PostgreSQL transactions are read-only. That is a second line; the first is a
// user who may only read. Write is the same handle as Read.
func OpenForeign(ctx context.Context, o Options) (*DB, error) {
	db, err := openForeign(o)
	if err != nil {
		return nil, fmt.Errorf("open foreign database: %w", err)
	}
	if err := db.reach(ctx, o.Patience); err != nil {
		return nil, errors.Join(fmt.Errorf("open foreign database: %w", err), db.Close())
	}
	return db, nil
}

func openForeign(o Options) (*DB, error) {
	if isPostgres(o.URL) {
		return openPostgres(o, map[string]string{"default_transaction_read_only": "on"})
	}
	path, err := sqlitePath(o)
	if err != nil {
		return nil, err
	}
	read, err := openReader(path, "ro", o.maxConns())
	if err != nil {
		return nil, err
	}
	return &DB{Read: read, Write: read, dialect: sqliteDialect}, nil
}
