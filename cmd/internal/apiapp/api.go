package apiapp

import (
	"context"
	"fmt"

	"github.com/tandemq/tandem/cmd/internal/boot"
	"github.com/tandemq/tandem/cmd/internal/parts"
	"github.com/tandemq/tandem/internal/dataset"
	"github.com/tandemq/tandem/internal/email"
	"github.com/tandemq/tandem/internal/handlers"
	"github.com/tandemq/tandem/internal/handlers/adapt"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/admin"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/outbox"
	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/store"
	"github.com/tandemq/tandem/internal/users"
)

func (a *App) openQueues(t *boot.Teardown) error {
	a.queues = map[string]handlers.Queue{}
	for _, name := range parts.Queues() {
		add, err := queue.New(a.redis, name, queue.Options{Prefix: a.config.Redis.Prefix})
		if err != nil {
			return fmt.Errorf("queue %s: %w", name, err)
		}
		t.Add("queue "+name, func(context.Context) error {
			add.Close()
			return nil
		})
		look, err := admin.New(a.redis, a.config.Redis.Prefix, name)
		if err != nil {
			return fmt.Errorf("queue %s: %w", name, err)
		}
		a.queues[name] = a.traced(name, adapt.NewQueue(add, look))
	}
	return nil
}

// promise makes the relay that keeps what the outbox promises.
func (a *App) promise() {
	a.outbox = store.NewOutbox(a.database)
	a.metrics = outbox.NewMetrics(a.host.Registry)
	a.relay = outbox.New(a.outbox, a.keep, outbox.Options{Metrics: a.metrics, Logger: a.host.Logger})
}

// keep adds one promised job under its fixed id; one that is there already was
// added before.
func (a *App) keep(ctx context.Context, e outbox.Entry) error {
	q, ok := a.queues[e.Queue]
	if !ok {
		return jobs.Invalid("queue", "%q is not one of ours", e.Queue)
	}
	o := e.Options
	o.ID = e.ID
	_, err := q.Add(ctx, e.Name, e.Payload, o)
	return err
}

func (a *App) makeAPI(t *boot.Teardown) error {
	catalogue, err := dataset.Load(a.config.Datasets.File)
	if err != nil {
		return err
	}
	definitions, err := report.LoadDefinitions(a.config.Datasets.File)
	if err != nil {
		return err
	}
	reports, err := report.NewCatalogue(definitions...)
	if err != nil {
		return fmt.Errorf("reports: %w", err)
	}
	accounts, err := users.New(users.Options{
		Tx: a.database.Tx, Read: a.database.Read, Outbox: promises{a.outbox, a.tracer}, Address: email.ParseAddress,
		PublicURL: a.config.Files.PublicURL, Wake: a.relay.Wake,
	})
	if err != nil {
		return err
	}
	a.api, err = handlers.New(a.handlerOptions(catalogue, reports, accounts))
	if err != nil {
		return err
	}
	t.Add("api", func(context.Context) error {
		a.api.Close()
		return nil
	})
	return nil
}

func (a *App) handlerOptions(catalogue *dataset.Catalogue, reports report.Catalogue, accounts *users.Service) handlers.Options {
	access, http := a.config.Access, a.config.HTTP
	return handlers.Options{
		Queues:         a.queues,
		Inject:         a.inject(),
		Follow:         adapt.Follower(a.redis, a.config.Redis.Prefix),
		Catalogue:      catalogue,
		Reports:        reports,
		Accounts:       accounts,
		Artifacts:      store.NewArtifacts(a.database),
		Files:          adapt.Files{Store: a.files},
		Links:          adapt.Links(a.signer),
		Idempotency:    store.NewIdempotency(a.database, store.IdempotencyOptions{}),
		Audit:          store.NewAudit(a.database),
		Fit:            a.watch.Fit,
		Health:         a.host.Health.Handler(false),
		Version:        a.host.Version,
		APIKeys:        access.APIKeys.List(),
		JWT:            handlers.JWT{Key: access.JWTKey.Reveal(), Issuer: access.JWTIssuer, Audience: access.JWTAudience},
		Open:           access.Open(),
		RateLimit:      handlers.Rate(access.RateLimit),
		TrustedProxies: access.TrustedProxies,
		CORSOrigins:    access.CORSOrigins,
		PublicURL:      a.config.Files.PublicURL,
		BodyLimit:      http.BodyLimit,
		BulkBodyLimit:  http.BulkBodyLimit,
		Logger:         a.host.Logger,
		Registry:       a.host.Registry,
	}
}
