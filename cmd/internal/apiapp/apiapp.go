// Package apiapp is the API as a part of a program: cmd/api runs it alone,
// cmd/tandem beside the worker.
//
//	HTTP ──▶ handlers ──▶ queues in Redis
//	            │
//	            └──▶ users + outbox, one transaction ──▶ relay ──▶ queue email
//
// It stops in this order: probes turn red and requests are answered for another
// DRAIN_DELAY; the listener takes no more, whoever waits for a job is answered,
// running requests finish; the relay and the watch on Redis stop; then queues,
// files, database and Redis are closed.
package apiapp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tandemq/tandem/cmd/internal/boot"
	"github.com/tandemq/tandem/cmd/internal/parts"
	"github.com/tandemq/tandem/cmd/internal/tracing"
	"github.com/tandemq/tandem/internal/config"
	"github.com/tandemq/tandem/internal/handlers"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/outbox"
	"github.com/tandemq/tandem/internal/storage"
	"github.com/tandemq/tandem/internal/store"
)

// Host is the program that the API is part of.
type Host struct {
	Logger   *slog.Logger
	Registry *prometheus.Registry
	Health   *boot.Health
	Version  boot.Version
	// Ready is called with the address once the API listens; nil is nobody.
	Ready func(addr string)
}

// App is an API that was built and does not run yet.
type App struct {
	config   config.API
	host     Host
	tracer   *tracing.Tracer // nil without an endpoint for traces
	redis    *redisconn.Conn
	watch    *parts.RedisWatch
	database *store.DB
	files    storage.Store
	signer   *storage.Signer
	queues   map[string]handlers.Queue
	outbox   *store.Outbox
	relay    *outbox.Relay
	metrics  *outbox.Metrics
	api      *handlers.API
	server   *boot.Server
}

// closeTimeout bounds the closing of what the API stands on.
const closeTimeout = 10 * time.Second

// Run builds the API and answers until ctx ends. It returns nil after a clean
// stop. The configuration has to be one without Mistakes.
func Run(ctx context.Context, c config.API, h Host) (err error) {
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

// Migrate brings the database up to date and does nothing else.
func Migrate(ctx context.Context, c config.API, logger *slog.Logger) error {
	db, err := parts.Database(ctx, c.Database, c.DataDir, logger)
	if err != nil {
		return err
	}
	return db.Close()
}

func assemble(ctx context.Context, c config.API, h Host, t *boot.Teardown) (*App, error) {
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
	if app.files, app.signer, err = parts.Files(c.Files, c.DataDir); err != nil {
		return nil, err
	}
	t.AddClose("storage", app.files.Close)
	if err := app.openQueues(t); err != nil {
		return nil, err
	}
	app.watch = parts.NewRedisWatch(app.redis, c.Environment == config.Production, h.Logger)
	app.promise()
	if err := app.makeAPI(t); err != nil {
		return nil, err
	}
	if err := app.addChecks(); err != nil {
		return nil, err
	}
	return app, app.listen(ctx, t)
}

func (a *App) listen(ctx context.Context, t *boot.Teardown) (err error) {
	http := a.config.HTTP
	a.server, err = boot.Listen(ctx, boot.ServerOptions{
		Name: "api", Addr: a.config.Addr(), Handler: a.tracer.Handler(a.api.Handler(), probes...), Logger: a.host.Logger,
		ReadHeaderTimeout: http.ReadHeaderTimeout, ReadTimeout: http.ReadTimeout,
		WriteTimeout: http.WriteTimeout, IdleTimeout: http.IdleTimeout,
		DrainTimeout: a.config.ShutdownTimeout, OnStop: a.api.Drain,
	})
	if err != nil {
		return err
	}
	t.AddClose("listener", a.server.Close)
	return nil
}

// run starts the roles and waits for them. What requests rely on ends after the
// last of them was answered, and not when ctx does.
func (a *App) run(ctx context.Context) error {
	until, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	behind := a.behind(until)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	context.AfterFunc(behind.Context(), stop) // without one of them there is no API
	front := boot.NewGroup(ctx)
	front.Go("api", func(ctx context.Context) error {
		serving, stop := delayed(ctx, a.config.HTTP.DrainDelay)
		defer stop()
		return a.server.Run(serving)
	})
	if a.host.Ready != nil {
		a.host.Ready(a.server.Addr())
	}
	err := front.Wait()
	release()
	return errors.Join(err, behind.Wait())
}

// behind starts what requests rely on: the relay sends the mails of those who
// sign up until the end, and the watch says whether jobs are safe.
func (a *App) behind(ctx context.Context) *boot.Group {
	roles := boot.NewGroup(ctx)
	roles.Go("redis watch", a.watch.Run)
	roles.Go("outbox relay", a.relay.Run)
	roles.Go("outbox metrics", func(ctx context.Context) error {
		return a.metrics.Watch(ctx, outboxRhythm, a.outbox.Backlog, a.host.Logger)
	})
	return roles
}

// outboxRhythm is how often the backlog of the outbox is measured.
const outboxRhythm = 15 * time.Second

// delayed is a context that ends some time after ctx: probes are red by then, and
// load balancers that take time to notice still get answers.
func delayed(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	if by <= 0 {
		return ctx, func() {}
	}
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var timer *time.Timer
	stop := context.AfterFunc(ctx, func() { timer = time.AfterFunc(by, cancel) })
	return later, func() {
		if !stop() && timer != nil {
			timer.Stop()
		}
		cancel()
	}
}

func (a *App) addChecks() error {
	queues, err := parts.Counters(a.redis, a.config.Redis.Prefix)
	if err != nil {
		return err
	}
	for _, collector := range []prometheus.Collector{parts.NewQueueMetrics(queues, a.host.Logger), a.watch} {
		if err := a.host.Registry.Register(collector); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	a.host.Health.Add(boot.Check{Name: "redis", Required: true, Func: a.watch.Check})
	a.host.Health.Add(parts.DatabaseCheck(a.database))
	a.host.Health.Add(parts.JobQueueCheck(queues))
	a.host.Health.Add(parts.StorageCheck(a.files.Check))
	return nil
}
