// Package parts opens what both services stand on: Redis, the database, the
// files, the catalogue. It turns a part of the configuration into a thing that
// works, and decides nothing.
package parts

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/tandemq/tandem/cmd/internal/boot"
	"github.com/tandemq/tandem/internal/config"
	"github.com/tandemq/tandem/internal/email"
	"github.com/tandemq/tandem/internal/emailreport"
	"github.com/tandemq/tandem/internal/export"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/storage"
	"github.com/tandemq/tandem/internal/store"
)

// Queues are all queues of the product, one for each job type.
func Queues() []string {
	return []string{email.Queue, export.Queue, report.Queue, emailreport.Queue}
}

// Redis opens the connection to the queues. It does not dial yet.
func Redis(c config.Redis) (*redisconn.Conn, error) {
	conn, err := redisconn.Open(redisOptions(c))
	if err != nil {
		return nil, fmt.Errorf("open redis: %w", err)
	}
	return conn, nil
}

func redisOptions(c config.Redis) redisconn.Options {
	return redisconn.Options{
		URL: c.URL.Reveal(), Addrs: c.Addrs, MasterName: c.MasterName, Cluster: c.Cluster,
		SentinelPassword: c.SentinelPass.Reveal(),
		Replicas:         c.WaitReplicas, ReplicaTimeout: c.WaitTimeout,
	}
}

// Database opens and migrates the database.
func Database(ctx context.Context, c config.Database, dataDir string, logger *slog.Logger) (*store.DB, error) {
	db, err := store.Open(ctx, store.Options{
		URL: c.URL.Reveal(), DataDir: dataDir, MaxConns: c.MaxConns, Patience: c.Patience, Logger: logger,
	})
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	return db, nil
}

// signingKeyFile is where the processes of one development machine share the
// key that nobody configured.
const signingKeyFile = "url-signing.key"

// SigningKeys are the keys of download links, the one that signs first.
func SigningKeys(c config.Files, dataDir string) ([]string, error) {
	if keys := c.SigningKey.List(); len(keys) > 0 {
		return keys, nil
	}
	key, err := boot.SharedKey(dataDir, signingKeyFile)
	if err != nil {
		return nil, fmt.Errorf("make a key for download links: %w", err)
	}
	return []string{key}, nil
}

// Files opens the place where files go, and the signer of links to them.
func Files(c config.Files, dataDir string) (storage.Store, *storage.Signer, error) {
	keys, err := SigningKeys(c, dataDir)
	if err != nil {
		return nil, nil, err
	}
	signer, err := storage.NewSigner(keys...)
	if err != nil {
		return nil, nil, fmt.Errorf("sign download links: %w", err)
	}
	location := c.StorageURL.Reveal()
	if location == "" {
		dir, err := filepath.Abs(filepath.Join(dataDir, "files"))
		if err != nil {
			return nil, nil, fmt.Errorf("find the directory for files: %w", err)
		}
		location = "file://" + filepath.ToSlash(dir)
	}
	files, err := storage.Open(location, storage.Options{Signer: signer, PublicURL: c.PublicURL})
	if err != nil {
		return nil, nil, fmt.Errorf("open storage: %w", err)
	}
	return files, signer, nil
}
