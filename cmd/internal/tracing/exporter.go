package tracing

import (
	"context"
	"log/slog"
	"sync"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// exporter says in our log when spans begin to be lost, and when that is over.
// Without it the library would write every failure to the process's standard
// logger, which belongs to nobody.
type exporter struct {
	sdktrace.SpanExporter
	log *slog.Logger

	mu   sync.Mutex
	lost int // since the last batch that went through
}

// ExportSpans implements sdktrace.SpanExporter. It returns no error, because it
// has dealt with it.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	e.note(len(spans), e.SpanExporter.ExportSpans(ctx, spans))
	return nil
}

func (e *exporter) note(spans int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case err != nil && e.lost == 0:
		e.log.Warn("traces cannot be sent", slog.Int("spans", spans), slog.Any("error", err))
	case err == nil && e.lost > 0:
		e.log.Info("traces can be sent again", slog.Int("lost", e.lost))
		e.lost = 0
	}
	if err != nil {
		e.lost += spans
	}
}
