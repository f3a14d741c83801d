package tracing_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/tandemq/tandem/cmd/internal/tracing"
	"github.com/tandemq/tandem/internal/config"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/origin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inMemory returns a tracer and what it has recorded.
func inMemory(t *testing.T) (*tracing.Tracer, *tracetest.InMemoryExporter) {
	t.Helper()
	recorded := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(recorded))
	t.Cleanup(func() {
		if err := provider.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return tracing.New(provider), recorded
}

func attributes(s tracetest.SpanStub) map[attribute.Key]string {
	all := map[attribute.Key]string{}
	for _, a := range s.Attributes {
		all[a.Key] = a.Value.String()
	}
	return all
}

// upstream is the trace that a caller is in.
const (
	upstreamTrace = "0af7651916cd43dd8448eb211c80319c"
	upstream      = "00-" + upstreamTrace + "-b7ad6b7169203331-01"
)

func TestARequestItsJobAndItsHandlerShareOneTrace(t *testing.T) {
	tracer, recorded := inMemory(t)
	var stored jobs.Options // what lies in Redis between the two services
	router := chi.NewRouter()
	router.Post("/api/v1/{type}", func(w http.ResponseWriter, r *http.Request) {
		o := jobs.Options{ID: "j1", Trace: `{"baggage":"tandem.tenant=acme"}`}
		if err := tracer.Add(r.Context(), "email", "welcome", o, func(_ context.Context, o jobs.Options) error {
			stored = o
			return nil
		}); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusAccepted)
	})
	request := httptest.NewRequest(http.MethodPost, "/api/v1/emails?token=secret", nil)
	request.Header.Set("Traceparent", upstream)
	tracer.Handler(router).ServeHTTP(httptest.NewRecorder(), request)

	job := &jobs.Job{ID: "j1", Queue: "email", Name: "welcome", ProcessedBy: "w1", AttemptsMade: 1, Trace: stored.Trace}
	if _, err := tracer.Process(t.Context(), job, func(context.Context) (any, error) { return nil, nil }); err != nil {
		t.Fatal(err)
	}

	spans := recorded.GetSpans()
	type seen struct{ name, kind, trace, parent string }
	var got []seen
	byID := map[string]string{"b7ad6b7169203331": "the caller"}
	for _, s := range spans {
		byID[s.SpanContext.SpanID().String()] = s.Name
	}
	for _, s := range spans {
		got = append(got, seen{s.Name, s.SpanKind.String(), s.SpanContext.TraceID().String(), byID[s.Parent.SpanID().String()]})
	}
	want := []seen{
		{"add email.welcome", "producer", upstreamTrace, "POST /api/v1/{type}"},
		{"POST /api/v1/{type}", "server", upstreamTrace, "the caller"},
		{"process email", "consumer", upstreamTrace, "add email.welcome"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(seen{})); diff != "" {
		t.Fatalf("spans (-want +got):\n%s", diff)
	}
	if got := origin.Of(stored.Trace).TenantID; got != "acme" {
		t.Errorf("the carrier has lost its baggage: %s", stored.Trace)
	}
	wantServer := map[attribute.Key]string{"http.request.method": "POST", "http.route": "/api/v1/{type}", "http.response.status_code": "202"}
	if diff := cmp.Diff(wantServer, attributes(spans[1])); diff != "" {
		t.Errorf("server span (-want +got):\n%s", diff)
	}
	wantConsumer := map[attribute.Key]string{
		"messaging.system": "bullmq", "messaging.operation.type": "process", "messaging.destination.name": "email",
		"messaging.message.id": "j1", "bullmq.queue.name": "email", "bullmq.queue.operation": "process", "bullmq.job.name": "welcome",
		"bullmq.job.id": "j1", "bullmq.job.attempts.made": "1", "bullmq.worker.name": "w1",
	}
	if diff := cmp.Diff(wantConsumer, attributes(spans[2])); diff != "" {
		t.Errorf("consumer span (-want +got):\n%s", diff)
	}
}

func TestABulkLeadsEveryJobToItsSpan(t *testing.T) {
	tracer, recorded := inMemory(t)
	all := []*jobs.Options{{}, {Trace: `{"baggage":"b","odd":7}`}, {Trace: "no carrier"}}
	if err := tracer.AddBulk(t.Context(), "email", all, func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
	id := recorded.GetSpans()[0].SpanContext
	parent := "00-" + id.TraceID().String() + "-" + id.SpanID().String() + "-01"
	want := []string{`{"traceparent":"` + parent + `"}`, `{"baggage":"b","odd":7,"traceparent":"` + parent + `"}`, "no carrier"}
	if diff := cmp.Diff(want, []string{all[0].Trace, all[1].Trace, all[2].Trace}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAPromiseKeptLaterContinuesItsRequest(t *testing.T) {
	tracer, recorded := inMemory(t)
	o := jobs.Options{Trace: `{"traceparent":"` + upstream + `"}`}
	err := tracer.Add(t.Context(), "email", "welcome", o, func(context.Context, jobs.Options) error { return jobs.ErrUnavailable })
	if !errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("the error was changed: %v", err)
	}
	span := recorded.GetSpans()[0]
	if got := span.SpanContext.TraceID().String(); got != upstreamTrace || span.Status.Code != codes.Error {
		t.Errorf("trace %s, status %v", got, span.Status)
	}
}

func TestHowAnAttemptEndedShowsInItsSpan(t *testing.T) {
	for name, tt := range map[string]struct {
		err    error
		cause  error
		status codes.Code
		event  string
		reason string
	}{
		"done":         {},
		"failed":       {err: errors.New("boom"), status: codes.Error, event: "exception", reason: "boom"},
		"put off":      {err: jobs.Snooze(time.Minute, "not yet"), event: "snoozed"},
		"handed back":  {err: context.Canceled, cause: jobs.ErrShutdown, event: "handed back"},
		"out of time":  {err: context.Canceled, cause: jobs.ErrTimeout, status: codes.Error, event: "exception", reason: "context canceled"},
		"done in time": {cause: jobs.ErrShutdown},
	} {
		t.Run(name, func(t *testing.T) {
			tracer, recorded := inMemory(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if tt.cause != nil {
				cancel(tt.cause)
			}
			_, err := tracer.Process(ctx, &jobs.Job{}, func(context.Context) (any, error) { return nil, tt.err })
			if !errors.Is(err, tt.err) {
				t.Errorf("the error was changed: %v", err)
			}
			span, event := recorded.GetSpans()[0], ""
			if len(span.Events) > 0 {
				event = span.Events[0].Name
			}
			if span.Status.Code != tt.status || event != tt.event || attributes(span)["bullmq.job.failed.reason"] != tt.reason {
				t.Errorf("status %v, event %q, attributes %v", span.Status, event, attributes(span))
			}
		})
	}
}

func TestAPanicIsRecordedAndGoesOn(t *testing.T) {
	tracer, recorded := inMemory(t)
	defer func() {
		if recover() != "boom" {
			t.Error("the panic was changed")
		}
		if events := recorded.GetSpans()[0].Events; len(events) != 1 || events[0].Name != "exception" {
			t.Errorf("events: %v", events)
		}
	}()
	_, _ = tracer.Process(t.Context(), &jobs.Job{}, func(context.Context) (any, error) { panic("boom") })
}

func TestHowARequestEndedShowsInItsSpan(t *testing.T) {
	for name, tt := range map[string]struct {
		method, path string
		span         string
		status       codes.Code
	}{
		"no answer but the usual": {"GET", "/quietly", "GET /quietly", codes.Unset},
		"the client's mistake":    {"GET", "/nowhere", "GET", codes.Unset},
		"ours":                    {"GET", "/broken", "GET /broken", codes.Error},
		"cut off":                 {"GET", "/cut", "GET /cut", codes.Error},
		"a method of no standard": {"BREW", "/quietly", "_OTHER", codes.Unset},
	} {
		t.Run(name, func(t *testing.T) {
			tracer, recorded := inMemory(t)
			router := chi.NewRouter()
			router.Get("/quietly", func(http.ResponseWriter, *http.Request) {})
			router.Get("/broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
			router.Get("/cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
			func() {
				defer func() {
					if value := recover(); value != nil && value != any(http.ErrAbortHandler) {
						t.Errorf("panic: %v", value)
					}
				}()
				tracer.Handler(router).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(tt.method, tt.path, nil))
			}()
			span := recorded.GetSpans()[0]
			if span.Name != tt.span || span.Status.Code != tt.status {
				t.Errorf("%q, status %v", span.Name, span.Status)
			}
		})
	}
}

func TestQuietPathsHaveNoSpan(t *testing.T) {
	tracer, recorded := inMemory(t)
	answer := httptest.NewRecorder()
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	tracer.Handler(next, "/livez").ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/livez", nil))
	if answer.Code != http.StatusTeapot || len(recorded.GetSpans()) != 0 {
		t.Errorf("status %d, %d spans", answer.Code, len(recorded.GetSpans()))
	}
}

func TestLinesOfASpanNameItsTrace(t *testing.T) {
	tracer, recorded := inMemory(t)
	var out bytes.Buffer
	logger := tracer.Logger(slog.New(slog.NewJSONHandler(&out, nil))).With("queue", "email")
	logger.InfoContext(t.Context(), "outside")
	if strings.Contains(out.String(), "trace_id") {
		t.Errorf("a line outside of a span: %s", &out)
	}
	out.Reset()
	_, err := tracer.Process(t.Context(), &jobs.Job{}, func(ctx context.Context) (any, error) {
		logger.InfoContext(ctx, "inside")
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var line struct {
		Queue string `json:"queue"`
		Trace string `json:"trace_id"`
		Span  string `json:"span_id"`
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	of := recorded.GetSpans()[0].SpanContext
	if line.Queue != "email" || line.Trace != of.TraceID().String() || line.Span != of.SpanID().String() {
		t.Errorf("line %s of span %v", &out, of)
	}
}

func TestWithoutAnEndpointThereIsNothing(t *testing.T) {
	tracer, err := tracing.Start(t.Context(), config.Tracing{}, tracing.Service{}, slog.Default())
	if err != nil || tracer != nil {
		t.Fatalf("tracer %v, error %v", tracer, err)
	}
	next := http.NewServeMux()
	if tracer.Handler(next) != http.Handler(next) || tracer.Logger(slog.Default()) != slog.Default() {
		t.Error("something is wrapped")
	}
	o := jobs.Options{Trace: `{"traceparent":"` + upstream + `"}`}
	if err := tracer.Add(t.Context(), "q", "n", o, func(_ context.Context, got jobs.Options) error {
		if got.Trace != o.Trace {
			t.Errorf("the carrier became %s", got.Trace)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	ran := false
	if _, err := tracer.Process(t.Context(), &jobs.Job{}, func(context.Context) (any, error) { ran = true; return nil, nil }); err != nil || !ran {
		t.Errorf("ran %t, error %v", ran, err)
	}
	tracer.Close(t.Context())
}

// collector is an OTLP/HTTP receiver: it keeps names by service.
type collector struct {
	mu    sync.Mutex
	paths []string
	spans map[string][]string
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	raw, err := io.ReadAll(body)
	var export coltrace.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(raw, &export)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paths = append(c.paths, r.URL.Path)
	for _, of := range export.ResourceSpans {
		service := ""
		for _, a := range of.Resource.Attributes {
			if a.Key == "service.name" {
				service = a.Value.GetStringValue()
			}
		}
		for _, in := range of.ScopeSpans {
			for _, s := range in.Spans {
				c.spans[service] = append(c.spans[service], s.Name)
			}
		}
	}
}

func tracingTo(t *testing.T, endpoint, name string) config.Tracing {
	t.Helper()
	c, err := config.LoadWorker(func(variable string) (string, bool) {
		value, ok := map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_SERVICE_NAME": name, "DATA_DIR": t.TempDir(), "APP_ENV": "development",
		}[variable]
		return value, ok
	})
	if err != nil {
		t.Fatal(err)
	}
	return c.Tracing
}

func start(t *testing.T, endpoint, name string, logs io.Writer) *tracing.Tracer {
	t.Helper()
	tracer, err := tracing.Start(t.Context(), tracingTo(t, endpoint, name),
		tracing.Service{Name: "tandem-worker", Version: "v1"}, slog.New(slog.NewTextHandler(logs, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

// lines is a log that is read while somebody may still write it.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// oneJob makes a span, which then waits for its batch.
func oneJob(t *testing.T, tracer *tracing.Tracer) {
	t.Helper()
	_, err := tracer.Process(t.Context(), &jobs.Job{Queue: "email"}, func(context.Context) (any, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
}

func TestClosingSendsWhatIsLeft(t *testing.T) {
	for name, service := range map[string]string{"": "tandem-worker", "mailer": "mailer"} {
		received := &collector{spans: map[string][]string{}}
		server := httptest.NewServer(received)
		t.Cleanup(server.Close)
		tracer := start(t, server.URL+"/otlp", name, t.Output())
		oneJob(t, tracer)
		tracer.Close(t.Context())
		if diff := cmp.Diff(map[string][]string{service: {"process email"}}, received.spans); diff != "" {
			t.Errorf("named %q (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff([]string{"/otlp/v1/traces"}, received.paths); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestACollectorThatRefusesShowsInTheLogOnly(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	var logs lines
	tracer := start(t, server.URL, "", &logs)
	oneJob(t, tracer)
	tracer.Close(t.Context())
	if !strings.Contains(logs.String(), "traces cannot be sent") {
		t.Errorf("the log says: %s", logs.String())
	}
}

func TestACollectorThatHangsDoesNotHoldUpTheStop(t *testing.T) {
	asked, release := make(chan struct{}, 1), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-release
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	var logs lines
	tracer := start(t, server.URL, "", &logs)
	oneJob(t, tracer)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	tracer.Close(ctx)
	if !strings.Contains(logs.String(), "the last traces were not sent") {
		t.Errorf("the log says: %s", logs.String())
	}
}
