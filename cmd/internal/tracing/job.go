package tracing

import (
	"context"
	"encoding/json"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/tandemq/tandem/internal/jobs"
)

// Attributes as BullMQ names them, so that one query finds the jobs of all
// clients of a queue.
const (
	queueName       = attribute.Key("bullmq.queue.name")
	queueOperation  = attribute.Key("bullmq.queue.operation")
	jobName         = attribute.Key("bullmq.job.name")
	jobID           = attribute.Key("bullmq.job.id")
	jobAttemptsMade = attribute.Key("bullmq.job.attempts.made")
	jobFailedReason = attribute.Key("bullmq.job.failed.reason")
	bulkCount       = attribute.Key("bullmq.job.bulk.count")
	workerName      = attribute.Key("bullmq.worker.name")
)

// system is what the queues are, in OpenTelemetry's own words for messaging.
var system = semconv.MessagingSystemKey.String("bullmq")

// Inject puts the trace of ctx into a job's carrier, as handlers.Options.Inject
// wants it.
func (t *Tracer) Inject(ctx context.Context, carrier map[string]string) {
	if t != nil {
		t.carrier.Inject(ctx, propagation.MapCarrier(carrier))
	}
}

// Add makes a span of the adding of one job. What add is given to store is o with
// the trace of that span in its carrier; whatever else the carrier holds stays.
// Without a trace in ctx, as in the relay of an outbox, the carrier's is continued.
func (t *Tracer) Add(ctx context.Context, queue, name string, o jobs.Options, add func(context.Context, jobs.Options) error) error {
	if t == nil {
		return add(ctx, o)
	}
	ctx, span := t.produce(t.within(ctx, o.Trace), "add", queue, "add "+queue+"."+name, jobName.String(name))
	defer span.End()
	if o.ID != "" {
		span.SetAttributes(jobID.String(o.ID), semconv.MessagingMessageID(o.ID))
	}
	o.Trace = t.onward(ctx, o.Trace)
	return failed(span, add(ctx, o))
}

// AddBulk makes one span of the adding of many jobs, whose carriers it leads on
// to that span.
func (t *Tracer) AddBulk(ctx context.Context, queue string, all []*jobs.Options, add func(context.Context) error) error {
	if t == nil {
		return add(ctx)
	}
	ctx, span := t.produce(ctx, "addBulk", queue, "addBulk "+queue, bulkCount.Int(len(all)))
	defer span.End()
	for _, o := range all {
		o.Trace = t.onward(ctx, o.Trace)
	}
	return failed(span, add(ctx))
}

func (t *Tracer) produce(ctx context.Context, operation, queue, name string, more attribute.KeyValue) (context.Context, trace.Span) {
	return t.spans.Start(ctx, name, trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		system, semconv.MessagingOperationTypeSend, semconv.MessagingDestinationName(queue),
		queueName.String(queue), queueOperation.String(operation), more))
}

// Process makes a span of one attempt of a job, as a part of the trace that its
// carrier tells of.
func (t *Tracer) Process(ctx context.Context, job *jobs.Job, run func(context.Context) (any, error)) (result any, err error) {
	if t == nil {
		return run(ctx)
	}
	ctx, span := t.spans.Start(t.within(ctx, job.Trace), "process "+job.Queue,
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attempt(job)...))
	defer span.End() // which records a panic and lets it pass
	result, err = run(ctx)
	t.judge(ctx, span, err)
	return result, err
}

func attempt(job *jobs.Job) []attribute.KeyValue {
	return []attribute.KeyValue{
		system, semconv.MessagingOperationTypeProcess,
		semconv.MessagingDestinationName(job.Queue), semconv.MessagingMessageID(job.ID),
		queueName.String(job.Queue), queueOperation.String("process"), workerName.String(job.ProcessedBy),
		jobName.String(job.Name), jobID.String(job.ID), jobAttemptsMade.Int(job.AttemptsMade),
	}
}

// judge says how an attempt ended. One that was put off, or handed back because
// the worker stops, has not failed.
func (t *Tracer) judge(ctx context.Context, span trace.Span, err error) {
	if d, ok := jobs.SnoozedFor(err); ok {
		span.AddEvent("snoozed", trace.WithAttributes(attribute.String("delay", d.String())))
		return
	}
	if err != nil && errors.Is(context.Cause(ctx), jobs.ErrShutdown) {
		span.AddEvent("handed back")
		return
	}
	if failed(span, err) != nil {
		span.SetAttributes(jobFailedReason.String(err.Error()))
	}
}

// failed marks a span as failed if err says so, and returns err.
func failed(span trace.Span, err error) error {
	if err != nil {
		span.RecordError(err)
		span.SetAttributes(semconv.ErrorType(err))
		span.SetStatus(codes.Error, err.Error())
	}
	return err
}

// within is ctx as a part of a carrier's trace, unless it is part of one already.
func (t *Tracer) within(ctx context.Context, carrier string) context.Context {
	if trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	return t.carrier.Extract(ctx, propagation.MapCarrier(decode(carrier)))
}

// onward is a carrier with the trace of ctx in it.
func (t *Tracer) onward(ctx context.Context, carrier string) string {
	members := map[string]json.RawMessage{}
	if carrier != "" && json.Unmarshal([]byte(carrier), &members) != nil {
		return carrier // not ours to repair
	}
	for name, value := range t.traceOf(ctx) {
		// A string has no way to fail to be JSON.
		members[name], _ = json.Marshal(value)
	}
	text, err := json.Marshal(members)
	if err != nil {
		return carrier
	}
	return string(text)
}

func (t *Tracer) traceOf(ctx context.Context) map[string]string {
	of := map[string]string{}
	t.Inject(ctx, of)
	return of
}

// decode reads a carrier. Members that are no strings, as another client may
// have put there, say nothing about a trace.
func decode(carrier string) map[string]string {
	var members map[string]any
	if json.Unmarshal([]byte(carrier), &members) != nil {
		return nil
	}
	texts := map[string]string{}
	for name, value := range members {
		if text, ok := value.(string); ok {
			texts[name] = text
		}
	}
	return texts
}
