package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/tandemq/tandem/bench/internal/server"
	"github.com/tandemq/tandem/bench/internal/tally"
	"github.com/tandemq/tandem/bench/internal/work"
)

// clients is how many connections are kept open, with one request under way on
// each.
const clients = 64

// http measures the api as it is built for production, with keys: how many
// requests it accepts beside the least server that could, how many jobs go all
// the way to a handler, and what memory api and worker need.
func (l *lab) http(ctx context.Context, rounds int) (err error) {
	s, err := l.server(ctx, server.Off)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	p, err := l.buildProduct(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	h := httpRun{lab: l, server: s, product: p, requests: l.options.scaled(20_000), rounds: rounds}
	if h.load, err = startChild(p.cpu, "load", "", l.self, "load"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.load.close()) }()
	return h.run(ctx)
}

type httpRun struct {
	lab      *lab
	server   *server.Server
	product  *product
	load     *child
	requests int
	rounds   int
}

func (h *httpRun) run(ctx context.Context) error {
	bare, err := h.product.bare(ctx)
	if err != nil {
		return err
	}
	api, err := h.product.api(ctx)
	if err != nil {
		return err
	}
	if err := h.resident(api, "idle"); err != nil {
		return err
	}
	for _, target := range []*service{bare, api} {
		if err := h.request(ctx, target, "", "", h.requests/2); err != nil {
			return err
		}
	}
	for range h.rounds {
		if err := h.round(ctx, bare, api); err != nil {
			return err
		}
	}
	return h.memory(ctx, api)
}

func (h *httpRun) round(ctx context.Context, bare, api *service) error {
	if err := h.request(ctx, bare, "http/accept", tally.Bare, h.requests); err != nil {
		return err
	}
	if err := h.server.Flush(ctx); err != nil {
		return err
	}
	if err := h.request(ctx, api, "http/accept", tally.Tandem, h.requests); err != nil {
		return err
	}
	if err := h.server.Flush(ctx); err != nil {
		return err
	}
	return h.path(ctx, api)
}

// request sends n requests and notes what they cost, unless id is "".
func (h *httpRun) request(ctx context.Context, target *service, id string, as tally.System, n int) error {
	before, err := server.ProcessOf(target.pid())
	if err != nil {
		return err
	}
	w := work.Work{Kind: work.Load, Target: target.addr, Jobs: n, Producers: clients}
	result, usage, err := measure(ctx, h.load, h.server, w)
	if err != nil {
		return fmt.Errorf("%s: %w", target.name, err)
	}
	after, err := server.ProcessOf(target.pid())
	if err != nil || id == "" {
		return err
	}
	result.CPUMicros, result.RSSBytes = after.CPUMicros-before.CPUMicros, after.RSSBytes
	h.lab.tally.Add(id, as, sample(result, usage))
	return nil
}

// path sends requests while a worker takes the jobs, and ends when all are done.
func (h *httpRun) path(ctx context.Context, api *service) error {
	consumer, err := h.lab.peer(tally.Tandem, h.server.URL)
	if err != nil {
		return err
	}
	err = h.throughTo(ctx, consumer, api)
	return errors.Join(err, consumer.close())
}

func (h *httpRun) throughTo(ctx context.Context, consumer *child, api *service) error {
	w := work.Work{Kind: work.Consume, Queue: "email", Jobs: h.requests, Concurrency: 100}
	if err := h.load.prepare(ctx, work.Work{Kind: work.Load, Target: api.addr, Jobs: h.requests, Producers: clients}); err != nil {
		return err
	}
	var requests work.Result
	loading := make(chan error, 1)
	if err := consumer.prepare(ctx, w); err != nil {
		return err
	}
	before, err := h.server.Usage(ctx)
	if err != nil {
		return err
	}
	go func() {
		var err error
		requests, err = h.load.run(ctx)
		loading <- err
	}()
	result, err := consumer.run(ctx)
	if err := errors.Join(err, <-loading); err != nil {
		return err
	}
	after, err := h.server.Usage(ctx)
	if err != nil {
		return err
	}
	result.P50Ms, result.P99Ms = requests.P50Ms, requests.P99Ms
	h.lab.tally.Add("http/path", tally.Tandem, sample(result, after.Since(before)))
	return errors.Join(consumer.end(ctx), h.load.end(ctx))
}

// memory has the real worker send mails, and notes what it needs in RAM before
// and what both need after it.
func (h *httpRun) memory(ctx context.Context, api *service) error {
	if err := h.server.Flush(ctx); err != nil {
		return err
	}
	worker, err := h.product.worker(ctx)
	if err != nil {
		return err
	}
	if err := h.resident(worker, "idle"); err != nil {
		return err
	}
	mails := min(h.requests, 2000)
	if err := h.request(ctx, api, "", "", mails); err != nil {
		return err
	}
	if err := h.product.delivered(ctx, mails); err != nil {
		return err
	}
	return errors.Join(h.resident(api, "busy"), h.resident(worker, "busy"))
}

// resident notes what a service has in RAM now.
func (h *httpRun) resident(s *service, when string) error {
	p, err := server.ProcessOf(s.pid())
	if err == nil {
		h.lab.tally.Add("product/"+s.name+"/"+when, tally.Tandem, tally.Sample{
			tally.RSS: p.RSSBytes / (1 << 20), tally.Anonymous: p.AnonymousBytes / (1 << 20),
			tally.FileBacked: (p.RSSBytes - p.AnonymousBytes) / (1 << 20),
		})
	}
	return err
}
