// Package tracing follows a job from the request that asked for it to the
// handler that ran it, in one OpenTelemetry trace:
//
//	POST /api/v1/emails            server    Handler
//	  └─ add email.welcome         producer  Add, which writes the job's carrier
//	       └─ process email        consumer  Process, once for each attempt
//
// Between the last two lies Redis: the job's trace carrier ({"traceparent":…},
// the field that BullMQ calls tm) takes the trace along, and jobs that Node
// added or will run are part of the same trace, by the same names.
//
// It is off until an endpoint is named. A nil *Tracer is off: it wraps nothing,
// starts no goroutine and costs nothing. Traces are never worth a job: they are
// sent in the background, dropped when nobody takes them, and a collector that
// is away shows in the log and nowhere else.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/tandemq/tandem/internal/config"
)

// Tracer makes the spans of one service. nil makes none.
type Tracer struct {
	spans   trace.Tracer
	carrier propagation.TraceContext
	stop    func(context.Context) error // nil when the provider is somebody else's
	log     *slog.Logger
}

// scope is who made a span, among the libraries that could have.
const scope = "github.com/tandemq/tandem"

// New returns a tracer whose spans go to a provider that the caller shuts down.
func New(provider trace.TracerProvider) *Tracer {
	return &Tracer{spans: provider.Tracer(scope), log: slog.New(slog.DiscardHandler)}
}

// Service is what traces come from.
type Service struct {
	Name    string // unless the configuration names another
	Version string
}

// Start returns a tracer that sends its spans to the endpoint of c, or nil when
// there is none. Close it.
func Start(ctx context.Context, c config.Tracing, s Service, logger *slog.Logger) (*Tracer, error) {
	if !c.Endpoint.IsSet() {
		return nil, nil
	}
	exporter, err := newExporter(ctx, c.Endpoint.Reveal(), logger)
	if err != nil {
		return nil, fmt.Errorf("start tracing: %w", err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter), sdktrace.WithResource(describe(ctx, c.ServiceName, s, logger)))
	t := New(provider)
	t.log = logger
	t.stop = func(ctx context.Context) error {
		// The exporter is told again after a deadline: it gives up what it is sending.
		return errors.Join(provider.Shutdown(ctx), exporter.Shutdown(ctx))
	}
	return t, nil
}

func newExporter(ctx context.Context, endpoint string, logger *slog.Logger) (*exporter, error) {
	var options []otlptracehttp.Option
	// A variable for traces alone counts more than the one for everything, and
	// the library reads it by itself unless it is told an address.
	if os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		address, err := url.JoinPath(strings.TrimSpace(endpoint), "v1/traces")
		if err != nil {
			return nil, errors.New("OTEL_EXPORTER_OTLP_ENDPOINT is no URL")
		}
		options = append(options, otlptracehttp.WithEndpointURL(address))
	}
	sender, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("make exporter: %w", err)
	}
	return &exporter{SpanExporter: sender, log: logger}, nil
}

// describe says what the spans come from: what is configured counts most, then
// OTEL_RESOURCE_ATTRIBUTES, of which it takes what can be read, then s.
func describe(ctx context.Context, name string, s Service, logger *slog.Logger) *resource.Resource {
	options := []resource.Option{
		resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(semconv.ServiceName(s.Name), semconv.ServiceVersion(s.Version)),
		resource.WithFromEnv(),
	}
	if name != "" {
		options = append(options, resource.WithAttributes(semconv.ServiceName(name)))
	}
	about, err := resource.New(ctx, options...)
	if err != nil {
		logger.Warn("traces say less than they could about where they come from", slog.Any("error", err))
	}
	return about
}

// closeTimeout bounds the sending of what is left: who stops a program waits for
// its jobs, and not for its traces.
const closeTimeout = 3 * time.Second

// Close sends what is left, for as long as ctx lets it and 3 s at most. What
// could not be sent is in the log: it is no failure of the program.
func (t *Tracer) Close(ctx context.Context) {
	if t == nil || t.stop == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	if err := t.stop(ctx); err != nil {
		t.log.Warn("the last traces were not sent", slog.Any("error", err))
	}
}
