package store

import (
	"errors"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// openPostgres opens a pool whose sessions begin with these settings.
func openPostgres(o Options, settings map[string]string) (*DB, error) {
	config, err := parsePostgres(o.URL)
	if err != nil {
		return nil, err
	}
	maps.Copy(config.RuntimeParams, settings)
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "tandem"
	}
	if config.ConnectTimeout == 0 || config.ConnectTimeout > 10*time.Second {
		config.ConnectTimeout = 10 * time.Second
	}
	pool := stdlib.OpenDB(*config)
	pool.SetMaxOpenConns(o.maxConns())
	pool.SetMaxIdleConns(o.maxConns())
	pool.SetConnMaxIdleTime(5 * time.Minute)
	pool.SetConnMaxLifetime(time.Hour)
	return &DB{Read: pool, Write: pool, dialect: postgresDialect}, nil
}

func parsePostgres(url string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the PostgreSQL URL cannot be read") // pgx would repeat it
	}
	return config, nil
}
