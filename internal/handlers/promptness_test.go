package handlers_test

import (
	"context"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandemq/tandem/internal/handlers"
	"github.com/tandemq/tandem/internal/jobs/admin"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/store/storetest"
)

// soon is what the API promises for its answer while something is away.
const soon = 2 * time.Second

// In virtual time, so that a busy machine can neither break nor hide the promise.
func TestWithoutRedisEveryAnswerComesWithinTwoSeconds(t *testing.T) {
	outages := map[string]func() (net.Conn, error){
		"it is gone": func() (net.Conn, error) { return nil, syscall.ECONNREFUSED },
		"it is frozen": func() (net.Conn, error) {
			ours, _ := net.Pipe() // nobody reads at the other end
			return ours, nil
		},
	}
	for name, dial := range outages {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := startWithin(t, dial)
				var all sync.WaitGroup
				for _, c := range needingRedis("/api/v1/jobs/email/a") {
					all.Go(func() {
						began := time.Now()
						answer := s.serve(c)
						if took := time.Since(began); answer.Code != 503 || took > soon {
							t.Errorf("%s %s: %d after %s: %s", c.method, c.path, answer.Code, took, answer.Body)
						}
					})
				}
				all.Wait()
			})
		})
	}
}

// startWithin builds the API in the bubble of the caller, on a Redis that is
// reached by dial.
func startWithin(t *testing.T, dial func() (net.Conn, error)) *service {
	t.Helper()
	conn, err := redisconn.Open(redisconn.Options{
		URL: "redis://127.0.0.1:6379", DialTimeout: 500 * time.Millisecond, CallTimeout: time.Second,
		Dial: func(context.Context, string, string) (net.Conn, error) { return dial() },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		time.Sleep(time.Minute) // the pool's attempts to connect end with their deadlines
	})
	s := &service{t: t, db: storetest.SQLite(t), admin: map[string]*admin.Queue{}, logs: &safeBuffer{}, prefix: "bull", conn: conn}
	s.openFiles()
	api, err := handlers.New(s.options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		api.Drain()
		api.Close()
	})
	s.api = api
	return s
}

// serve has the API answer without a network, which has no place in a bubble.
func (s *service) serve(c call) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(s.t.Context(), c.method, c.path, strings.NewReader(c.body))
	r.Header.Set("X-API-Key", fullKey)
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	s.api.Handler().ServeHTTP(w, r)
	return w
}
