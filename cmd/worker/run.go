package main

import (
	"context"
	"log/slog"

	"github.com/tandemq/tandem/cmd/internal/boot"
	"github.com/tandemq/tandem/cmd/internal/workerapp"
	"github.com/tandemq/tandem/internal/config"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
)

func program() boot.Program {
	return boot.Program{
		Name:    "worker",
		Summary: "worker runs jobs: it sends mails, makes exports and reports.",
		OpsAddr: ":8082",
		Run:     run,
	}
}

// run lets the worker work until ctx ends. The listener for operators opens
// before anything else and closes last, so that probes always find it.
func run(ctx context.Context, env boot.Env) error {
	c, err := config.LoadWorker(env.Lookup, workerapp.Mistakes)
	if err != nil {
		return err
	}
	logger, version := boot.NewLogger(env.Stderr, c.Process), boot.ReadVersion()
	redisconn.LogTo(logger)
	registry := boot.NewRegistry(version)
	health := boot.NewHealth(boot.HealthOptions{Version: version})
	ops, err := boot.Listen(ctx, boot.ServerOptions{
		Name: "ops", Addr: c.Work.OpsAddr, Logger: logger, WriteTimeout: boot.OpsWriteTimeout,
		Handler: boot.OpsHandler(registry, health, version, logger),
	})
	if err != nil {
		return err
	}
	logger.Info("worker starts", slog.Any("config", c), slog.String("ops", ops.Addr()))
	return boot.WithOps(ctx, ops, health, func(ctx context.Context) error {
		return workerapp.Run(ctx, c, workerapp.Host{
			Logger: logger, Registry: registry, Health: health, Ready: health.Serving,
		})
	})
}
