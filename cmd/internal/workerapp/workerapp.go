// Package workerapp is the worker as a part of a program: cmd/worker runs it
// alone, cmd/tandem beside the API.
//
//	Redis ──▶ pools: email, export, report, email-report ──▶ handlers
//	                   │ every attempt                         │
//	                   ▼                                       ▼
//	          metrics, job_runs                     SMTP, files, database
//
// It stops in this order: the pools take no more jobs and let running ones
// finish (SHUTDOWN_TIMEOUT); the history of attempts is written; then SMTP,
// files, database and Redis are closed.
package workerapp

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tandemq/tandem/cmd/internal/boot"
	"github.com/tandemq/tandem/cmd/internal/parts"
	"github.com/tandemq/tandem/cmd/internal/tracing"
	"github.com/tandemq/tandem/internal/config"
	"github.com/tandemq/tandem/internal/export"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/internal/storage"
	"github.com/tandemq/tandem/internal/store"
)

// Host is the program that the worker is part of.
type Host struct {
	Logger   *slog.Logger
	Registry *prometheus.Registry
	Health   *boot.Health
	// Beside says that the API is in the same program and shows how Redis, queues,
	// database and files are.
	Beside bool
	// Ready is called once the pools run; nil is nobody.
	Ready func()
}

// App is a worker that was built and does not run yet.
type App struct {
	config   config.Worker
	host     Host
	tracer   *tracing.Tracer // nil without an endpoint for traces
	redis    *redisconn.Conn
	database *store.DB
	files    storage.Store
	runs     *store.RunLog
	pools    []*worker.Pool
	sweep    *export.Sweeper
	operator *sql.DB // nil without a database of the operator's
}

// closeTimeout bounds the closing of what the worker stands on.
const closeTimeout = 10 * time.Second

// Run builds the worker and lets it work until ctx ends. It returns nil after a
// clean stop, in which jobs that were not done in time are handed back. The
// configuration has to be one without Mistakes.
func Run(ctx context.Context, c config.Worker, h Host) (err error) {
	teardown := &boot.Teardown{Logger: h.Logger}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		err = errors.Join(err, teardown.Run(ctx))
	}()
	app, err := assemble(ctx, c, h, teardown)
	if err != nil {
		return err
	}
	return app.run(ctx)
}

func assemble(ctx context.Context, c config.Worker, h Host, t *boot.Teardown) (*App, error) {
	app := &App{config: c, host: h}
	if err := app.startTracing(ctx, t); err != nil {
		return nil, err
	}
	var err error
	if app.redis, err = parts.Redis(c.Redis); err != nil {
		return nil, err
	}
	t.AddClose("redis", app.redis.Close)
	if app.database, err = parts.Database(ctx, c.Database, c.DataDir, h.Logger); err != nil {
		return nil, err
	}
	t.AddClose("database", app.database.Close)
	if app.files, _, err = parts.Files(c.Files, c.DataDir); err != nil {
		return nil, err
	}
	t.AddClose("storage", app.files.Close)
	app.runs = store.NewRunLog(app.database, store.RunLogOptions{Logger: h.Logger})
	t.Add("job history", app.runs.Close)
	app.runs.Register(h.Registry)
	if err := app.makePools(ctx, t); err != nil {
		return nil, err
	}
	return app, app.addChecks()
}

// run starts the roles and waits for them. The pools end last to be started and
// first to be told, so their outcomes still find everything open.
func (a *App) run(ctx context.Context) error {
	roles := boot.NewGroup(ctx)
	roles.Go("job history", a.runs.Run)
	roles.Go("retention", a.keepRetention)
	roles.Go("expired files", a.sweepFiles)
	for _, pool := range a.pools {
		roles.Go("pool "+pool.Queue(), func(ctx context.Context) error {
			return a.finishCleanly(pool.Run(ctx))
		})
	}
	if a.host.Ready != nil {
		a.host.Ready()
	}
	return roles.Wait()
}

// finishCleanly makes a stop in which jobs were handed back what it is: a clean
// one, worth a line in the log.
func (a *App) finishCleanly(err error) error {
	if errors.Is(err, worker.ErrDeadline) {
		a.host.Logger.Warn("jobs were handed back", slog.Any("error", err))
		return nil
	}
	return err
}

// retentionRhythm is how often old rows, and expired files, are removed.
const retentionRhythm = 10 * time.Minute

func (a *App) keepRetention(ctx context.Context) error {
	sweeper := store.NewSweeper(a.database, store.SweeperOptions{Keep: rowRetention(a.config.Keep), Logger: a.host.Logger})
	return sweeper.Run(ctx, retentionRhythm)
}

// rowRetention is how long the database keeps what the configuration is about.
func rowRetention(c config.Retention) store.Retention {
	return store.Retention{Runs: c.History, Emails: c.History, Audit: c.Audit}
}

func (a *App) sweepFiles(ctx context.Context) error {
	ticker := time.NewTicker(retentionRhythm)
	defer ticker.Stop()
	for {
		a.sweepAll(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (a *App) sweepAll(ctx context.Context) {
	for {
		removed, more, err := a.sweep.Sweep(ctx, time.Now())
		if err != nil && ctx.Err() == nil {
			a.host.Logger.Warn("cannot remove expired files", slog.Any("error", err))
			return
		}
		if removed > 0 {
			a.host.Logger.Info("expired files removed", slog.Int("files", removed))
		}
		if !more || ctx.Err() != nil {
			return
		}
	}
}

func (a *App) addChecks() error {
	queues, err := parts.Counters(a.redis, a.config.Redis.Prefix)
	if err != nil {
		return err
	}
	byName := map[string]parts.Counter{}
	for _, q := range queues {
		byName[q.Name()] = q
	}
	if err := a.host.Registry.Register(worker.NewPoolCollector(a.pools...)); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	var consumers []parts.Consumer
	for _, pool := range a.pools {
		consumers = append(consumers, pool)
	}
	a.host.Health.Add(parts.ConsumptionCheck(consumers, byName))
	if a.host.Beside {
		return nil
	}
	a.host.Health.Add(parts.RedisCheck(a.redis))
	a.host.Health.Add(parts.DatabaseCheck(a.database))
	a.host.Health.Add(parts.StorageCheck(a.files.Check))
	if err := a.host.Registry.Register(parts.NewQueueMetrics(queues, a.host.Logger)); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	return nil
}
