package handlers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/tandemq/tandem/internal/dataset"
	"github.com/tandemq/tandem/internal/handlers"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/store"
	"github.com/tandemq/tandem/internal/users"
)

// sink is a queue that keeps what it is given.
type sink struct {
	handlers.Queue
	added []handlers.Item
}

func (s *sink) Check(string, any, jobs.Options) error { return nil }

func (s *sink) Add(_ context.Context, name string, payload any, o jobs.Options) (handlers.Added, error) {
	s.added = append(s.added, handlers.Item{Name: name, Payload: payload, Options: o})
	return handlers.Added{ID: o.ID}, nil
}

func (s *sink) AddBulk(_ context.Context, items []handlers.Item) ([]handlers.Added, error) {
	s.added = append(s.added, items...)
	return make([]handlers.Added, len(items)), nil
}

// nobody has no accounts, files and answers.
type nobody struct {
	handlers.Accounts
	handlers.Artifacts
	handlers.Files
	handlers.Idempotency
}

func (nobody) Register(context.Context, users.Registration) (users.User, error) {
	return users.User{}, jobs.Invalid("email", "is refused")
}

func (nobody) Consume(context.Context, string) (users.User, error) {
	return users.User{}, users.ErrTokenMalformed
}

func (nobody) Get(context.Context, string) (store.Artifact, error) {
	return store.Artifact{}, store.ErrNotFound
}

func FuzzBodiesAreAcceptedWholeOrRefused(f *testing.F) {
	reports, err := report.NewCatalogue()
	catalogue, catalogueErr := dataset.Load("")
	if err != nil || catalogueErr != nil {
		f.Fatal(err, catalogueErr)
	}
	queue := &sink{}
	api, err := handlers.New(handlers.Options{
		Queues:    map[string]handlers.Queue{"email": queue, "export": queue, "report": queue, "email-report": queue},
		Catalogue: catalogue, Reports: reports, Accounts: nobody{}, Artifacts: nobody{}, Files: nobody{}, Idempotency: nobody{}, APIKeys: apiKeys(),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(api.Close)
	var paths []string
	for path := range postRoutes() {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for n, path := range paths {
		f.Add(byte(n), []byte(postRoutes()[path]))
		f.Add(byte(n), []byte(`{"options":{"priority":1e3,"backoff":{"type":"fixed","delay":1.0}},"jobs":[1,{},{"data":{"payload":[]}}],"payload":null}`))
	}
	f.Fuzz(func(t *testing.T, n byte, body []byte) {
		path := paths[int(n)%len(paths)]
		queue.added = nil
		r := httptest.NewRequest("POST", path, bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-API-Key", fullKey)
		w := httptest.NewRecorder()
		api.Handler().ServeHTTP(w, r)
		switch {
		case w.Code >= 500:
			t.Fatalf("%s %q: %d %s", path, body, w.Code, w.Body)
		case w.Code >= 400:
			var p handlers.Problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%s %q: no problem: %s", path, body, w.Body)
			}
			if len(queue.added) > 0 {
				t.Fatalf("%s %q: refused and added", path, body)
			}
		case w.Code != http.StatusAccepted || len(queue.added) == 0:
			t.Fatalf("%s %q: %d, %d jobs", path, body, w.Code, len(queue.added))
		}
		for _, item := range queue.added {
			if err := jobs.ValidateID(item.Options.ID); err != nil || item.Options.Foreign != nil || item.Options.Validate() != nil || jobs.ValidateName(item.Name) != nil {
				t.Fatalf("%s %q: added %+v: %v", path, body, item, err)
			}
		}
	})
}
