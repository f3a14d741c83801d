package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tandemq/tandem/cmd/internal/apiapp"
	"github.com/tandemq/tandem/cmd/internal/boot"
	"github.com/tandemq/tandem/cmd/internal/parts"
	"github.com/tandemq/tandem/cmd/internal/workerapp"
	"github.com/tandemq/tandem/internal/config"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/store"
)

// addresses are where to find what runs.
type addresses struct {
	api   string // URL
	ops   string // host:port
	mails string // URL of the caught mails; "" when mails really go out
	redis string // URL of the embedded Redis; "" when there is another
}

// serve starts what the configuration does not name, then the API and the
// worker, and waits until ctx ends. ready is called once both run.
//
// It stops in the reverse order: both services, each as it would alone; then
// the mail catcher and the embedded Redis that they stood on.
func serve(ctx context.Context, c config.Tandem, logger *slog.Logger, ready func(addresses)) (err error) {
	redisconn.LogTo(logger)
	inside, err := startInside(ctx, &c, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, inside.stop()) }()

	version := boot.ReadVersion()
	p := pair{
		config: c, logger: logger, version: version, registry: boot.NewRegistry(version),
		health: boot.NewHealth(boot.HealthOptions{Version: version}), at: inside.at, ready: ready,
	}
	ops, err := boot.Listen(ctx, boot.ServerOptions{
		Name: "ops", Addr: c.API.HTTP.OpsAddr, Logger: logger, WriteTimeout: boot.OpsWriteTimeout,
		Handler: boot.OpsHandler(p.registry, p.health, version, logger),
	})
	if err != nil {
		return err
	}
	p.at.ops = ops.Addr()
	return boot.WithOps(ctx, ops, p.health, p.run)
}

// pair is the two services in one process.
type pair struct {
	config   config.Tandem
	logger   *slog.Logger
	version  boot.Version
	registry *prometheus.Registry
	health   *boot.Health
	ready    func(addresses)

	mu      sync.Mutex
	at      addresses
	running int
}

func (p *pair) run(ctx context.Context) error {
	if p.config.EmbeddedRedis {
		if err := p.forgetAnswers(ctx); err != nil {
			return err
		}
	}
	roles := boot.NewGroup(ctx)
	roles.Go("api", func(ctx context.Context) error {
		return apiapp.Run(ctx, p.config.API, apiapp.Host{
			Logger: p.logger.With(slog.String("service", "api")), Registry: p.registry, Health: p.health,
			Version: p.version, Ready: func(string) { p.arrived() },
		})
	})
	roles.Go("worker", func(ctx context.Context) error {
		return workerapp.Run(ctx, p.config.Worker, workerapp.Host{
			Logger: p.logger.With(slog.String("service", "worker")), Registry: p.registry, Health: p.health,
			Beside: true, Ready: p.arrived,
		})
	})
	return roles.Wait()
}

// forgetAnswers makes a repeated request count as new. The database outlives the
// process and remembers what was answered, but the embedded Redis begins without
// the jobs of these answers.
func (p *pair) forgetAnswers(ctx context.Context) (err error) {
	c := p.config.API
	db, err := parts.Database(ctx, c.Database, c.DataDir, p.logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return store.NewIdempotency(db, store.IdempotencyOptions{}).ForgetAll(ctx)
}

// arrived is called by each of the two; the second makes the pair ready.
func (p *pair) arrived() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running++; p.running < 2 {
		return
	}
	p.at.api = p.config.API.Files.PublicURL
	p.health.Serving()
	p.ready(p.at)
}
