package apiapp_test

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/tandemq/tandem/cmd/internal/apiapp"
	"github.com/tandemq/tandem/cmd/internal/boot"
	"github.com/tandemq/tandem/cmd/internal/workerapp"
	"github.com/tandemq/tandem/internal/config"
	"github.com/tandemq/tandem/internal/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// patience bounds every wait for what must come.
const patience = 30 * time.Second

type span struct{ id, parent, trace, name, service string }

// collector receives traces by OTLP over HTTP.
type collector struct {
	mu     sync.Mutex
	spans  []span
	failed error
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request, err := readTraces(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.failed = err
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	for _, resource := range request.GetResourceSpans() {
		service := ""
		for _, a := range resource.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans = append(c.spans, span{
					hex.EncodeToString(s.GetSpanId()), hex.EncodeToString(s.GetParentSpanId()), hex.EncodeToString(s.GetTraceId()), s.GetName(), service,
				})
			}
		}
	}
}

func readTraces(r *http.Request) (*coltrace.ExportTraceServiceRequest, error) {
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		body = unzipped
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	request := &coltrace.ExportTraceServiceRequest{}
	return request, proto.Unmarshal(text, request)
}

// chain is the names of a trace's spans, each behind the one that caused it,
// from the first with this name; nil while something is missing.
func (c *collector) chain(first string, length int) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.spans, func(s span) bool { return s.name == first })
	var names []string
	for at >= 0 {
		one := c.spans[at]
		names = append(names, one.service+": "+one.name)
		at = slices.IndexFunc(c.spans, func(s span) bool { return s.trace == one.trace && s.parent == one.id })
	}
	if len(names) < length {
		return nil
	}
	return names
}

// both runs the API and a worker on one Redis until the end of the test, sending
// their traces to endpoint, and returns where the API is.
func both(t *testing.T, endpoint string) (url string) {
	t.Helper()
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20") // the library reads it itself; ms
	server := redistest.Shared(t)
	env := map[string]string{
		"APP_ENV": "development", "HOST": "127.0.0.1", "PORT": "0", "PUBLIC_URL": "http://localhost:8080", "DATA_DIR": t.TempDir(), "OPS_ADDR": "127.0.0.1:0",
		"REDIS_URL": server.URL, "QUEUE_PREFIX": strings.ReplaceAll(server.Prefix(t), ":", "-"),
		"SMTP_URL": "smtp://127.0.0.1:1", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
	}
	lookup := func(name string) (string, bool) { value, ok := env[name]; return value, ok }
	forAPI, err := config.LoadAPI(lookup)
	if err != nil {
		t.Fatal(err)
	}
	forWorker, err := config.LoadWorker(lookup)
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	ready := make(chan string, 1)
	run(t, func(ctx context.Context) error {
		return apiapp.Run(ctx, forAPI, apiapp.Host{
			Logger: logger, Registry: prometheus.NewRegistry(), Health: boot.NewHealth(boot.HealthOptions{}), Ready: func(addr string) { ready <- addr },
		})
	})
	run(t, func(ctx context.Context) error {
		return workerapp.Run(ctx, forWorker, workerapp.Host{Logger: logger, Registry: prometheus.NewRegistry(), Health: boot.NewHealth(boot.HealthOptions{})})
	})
	select {
	case addr := <-ready:
		return "http://" + addr
	case <-time.After(patience):
		t.Fatal("the API does not start")
		return ""
	}
}

func run(t *testing.T, app func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- app(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the app ended with %v", err)
		}
	})
}

func post(t *testing.T, url, body string, want int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text, err := io.ReadAll(response.Body); err != nil || response.StatusCode != want {
		t.Fatalf("POST %s: %d %s, %v", url, response.StatusCode, text, err)
	}
}

// The mail server does not answer, so the attempts fail: they are in the trace
// all the same.
func TestARequestLeadsToTheAttemptOfItsJobInOneTrace(t *testing.T) {
	received := &collector{}
	endpoint := httptest.NewServer(received)
	t.Cleanup(endpoint.Close)
	url := both(t, endpoint.URL)
	post(t, url+"/api/v1/emails", `{"template":"welcome","to":"ada@example.com","data":{"name":"Ada","verifyUrl":"https://tandem.example/verify?token=x"}}`, 202)
	post(t, url+"/register", `{"name":"Ada","email":"ada@example.com","password":"correct horse battery staple"}`, 201)
	tests := map[string][]string{
		"POST /api/v1/emails": {"tandem-api: POST /api/v1/emails", "tandem-api: add email.welcome", "tandem-worker: process email"},
		// The job was promised with the account, and added later from the outbox.
		"POST /register": {"tandem-api: POST /register", "tandem-api: add email.welcome", "tandem-worker: process email"},
	}
	for first, want := range tests {
		if diff := cmp.Diff(want, awaitChain(t, received, first, len(want))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", first, diff)
		}
	}
}

func awaitChain(t *testing.T, c *collector, first string, length int) []string {
	t.Helper()
	look, late := time.NewTicker(10*time.Millisecond), time.After(patience)
	defer look.Stop()
	for {
		if chain := c.chain(first, length); chain != nil {
			return chain
		}
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("no trace of %d spans from %q: %+v, %v", length, first, c.spans, c.failed)
		}
	}
}
