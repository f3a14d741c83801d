package handlers_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/tandemq/tandem/internal/dataset"
	"github.com/tandemq/tandem/internal/handlers"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/report"
)

// instant is a queue that has stored whatever it is given.
type instant struct{ handlers.Finder }

func (instant) Check(string, any, jobs.Options) error { return nil }
func (instant) Add(_ context.Context, _ string, _ any, o jobs.Options) (handlers.Added, error) {
	return handlers.Added{ID: o.ID}, nil
}
func (instant) AddBulk(context.Context, []handlers.Item) ([]handlers.Added, error) { return nil, nil }

// benchAPI is the API as production has it, with keys, a rate limit and logs,
// and nothing behind it.
func benchAPI(b *testing.B) http.Handler {
	b.Helper()
	reports, err := report.NewCatalogue()
	if err != nil {
		b.Fatal(err)
	}
	catalogue, err := dataset.Load("")
	if err != nil {
		b.Fatal(err)
	}
	queues := map[string]handlers.Queue{}
	for _, name := range queueNames {
		queues[name] = instant{}
	}
	api, err := handlers.New(handlers.Options{
		Queues: queues, Catalogue: catalogue, Reports: reports,
		Accounts: struct{ handlers.Accounts }{}, Artifacts: struct{ handlers.Artifacts }{},
		Files: struct{ handlers.Files }{}, Idempotency: struct{ handlers.Idempotency }{},
		APIKeys: apiKeys(), RateLimit: handlers.Rate{Count: 1 << 40, Per: time.Minute},
		Logger: slog.New(slog.NewJSONHandler(io.Discard, nil)),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(api.Close)
	return api.Handler()
}

// bare is what the same router costs with nothing but a constant answer.
func bare() http.Handler {
	router := chi.NewRouter()
	router.Post("/api/v1/emails", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, "body", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"message":"Email queued","jobId":"0198c0de-0000-7000-8000-000000000000","queue":"email","statusUrl":"/api/v1/jobs/email/0198c0de-0000-7000-8000-000000000000"}`)
	})
	return router
}

func emailRequest(url string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, url, strings.NewReader(goodEmail))
	r.RequestURI = ""
	r.Header.Set("Authorization", "Bearer "+fullKey)
	r.Header.Set("Content-Type", "application/json")
	return r
}

// BenchmarkAddEmail compares a mail's way through the API with a handler that
// says yes: over sockets with 64 clients, and without them.
func BenchmarkAddEmail(b *testing.B) {
	for _, one := range []struct {
		name    string
		handler http.Handler
	}{{"api", benchAPI(b)}, {"bare", bare()}} {
		b.Run("sockets/"+one.name, func(b *testing.B) { overSockets(b, one.handler) })
		b.Run("direct/"+one.name, func(b *testing.B) { direct(b, one.handler) })
	}
}

func overSockets(b *testing.B, handler http.Handler) {
	server := httptest.NewServer(handler)
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			response, err := client.Do(emailRequest(server.URL + "/api/v1/emails"))
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, response.Body) // the status tells
			response.Body.Close()
			if response.StatusCode != http.StatusAccepted {
				b.Errorf("status %d", response.StatusCode)
				return
			}
		}
	})
}

func direct(b *testing.B, handler http.Handler) {
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, emailRequest("/api/v1/emails"))
		if w.Code != http.StatusAccepted {
			b.Fatalf("status %d: %s", w.Code, w.Body)
		}
	}
}
