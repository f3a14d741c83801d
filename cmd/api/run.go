package main

import (
	"context"
	"log/slog"

	"github.com/tandemq/tandem/cmd/internal/apiapp"
	"github.com/tandemq/tandem/cmd/internal/boot"
	"github.com/tandemq/tandem/internal/config"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
)

func program() boot.Program {
	return boot.Program{
		Name:     "api",
		Summary:  "api accepts work over HTTP and answers once it is safe in Redis.",
		OpsAddr:  ":8081",
		Run:      run,
		Commands: []boot.Command{{Name: "migrate", Summary: "bring the database up to date, and end", Run: migrate}},
	}
}

// run answers until ctx ends. The listener for operators opens before anything
// else and closes last, so that probes always find it.
func run(ctx context.Context, env boot.Env) error {
	c, err := config.LoadAPI(env.Lookup, apiapp.Mistakes)
	if err != nil {
		return err
	}
	logger, version := boot.NewLogger(env.Stderr, c.Process), boot.ReadVersion()
	redisconn.LogTo(logger)
	registry := boot.NewRegistry(version)
	health := boot.NewHealth(boot.HealthOptions{Version: version})
	ops, err := boot.Listen(ctx, boot.ServerOptions{
		Name: "ops", Addr: c.HTTP.OpsAddr, Logger: logger, WriteTimeout: boot.OpsWriteTimeout,
		Handler: boot.OpsHandler(registry, health, version, logger),
	})
	if err != nil {
		return err
	}
	logger.Info("api starts", slog.Any("config", c), slog.String("ops", ops.Addr()))
	return boot.WithOps(ctx, ops, health, func(ctx context.Context) error {
		return apiapp.Run(ctx, c, apiapp.Host{
			Logger: logger, Registry: registry, Health: health, Version: version,
			Ready: func(string) { health.Serving() },
		})
	})
}

func migrate(ctx context.Context, env boot.Env) error {
	c, err := config.LoadAPI(env.Lookup, apiapp.Mistakes)
	if err != nil {
		return err
	}
	return apiapp.Migrate(ctx, c, boot.NewLogger(env.Stderr, c.Process))
}
