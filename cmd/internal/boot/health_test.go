package boot

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func fine(context.Context) error { return nil }

func failing(context.Context) error { return errors.New("dial redis://u:hunter2@10.0.0.7: refused") }

func get(t *testing.T, h http.Handler, target string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
	return w.Code, w.Body.String()
}

func TestWhatTheProbesAnswer(t *testing.T) {
	tests := []struct {
		name                string
		checks              []Check
		phase               func(*Health)
		live, ready, health int
		status              string
	}{
		{"no checks", nil, (*Health).Serving, 200, 200, 200, "ok"},
		{"starting", nil, func(*Health) {}, 200, 503, 503, "unavailable"},
		{"draining", nil, (*Health).Drain, 200, 503, 503, "unavailable"},
		{"draining is for good", nil, func(h *Health) { h.Drain(); h.Serving() }, 200, 503, 503, "unavailable"},
		{"all well", []Check{{Name: "a", Required: true, Live: true, Func: fine}}, (*Health).Serving, 200, 200, 200, "ok"},
		{"optional fails", []Check{{Name: "a", Func: failing}, {Name: "b", Func: fine}}, (*Health).Serving, 200, 200, 200, "degraded"},
		{"required fails", []Check{{Name: "a", Required: true, Func: failing}}, (*Health).Serving, 200, 503, 503, "unavailable"},
		{"required and optional fail", []Check{{Name: "a", Required: true, Func: failing}, {Name: "b", Func: failing}}, (*Health).Serving, 200, 503, 503, "unavailable"},
		{"live fails", []Check{{Name: "a", Live: true, Required: true, Func: failing}}, (*Health).Serving, 503, 503, 503, "unavailable"},
		{"backlog", []Check{{Name: "a", Required: true, Welcome: true, Func: failing}}, (*Health).Serving, 200, 200, 503, "unavailable"},
		{"panic", []Check{{Name: "a", Required: true, Func: func(context.Context) error { panic("boom") }}}, (*Health).Serving, 200, 503, 503, "unavailable"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := NewHealth(HealthOptions{})
			for _, c := range test.checks {
				h.Add(c)
			}
			test.phase(h)
			for target, want := range map[string]int{"/livez": test.live, "/healthz": test.live, "/readyz": test.ready, "/readyz?verbose": test.ready, "/health": test.health} {
				if code, body := get(t, h.Handler(true), target); code != want {
					t.Errorf("%s: %d, want %d: %s", target, code, want, body)
				}
			}
			if got := h.Report(t.Context()).Status; got != test.status {
				t.Errorf("status %s, want %s", got, test.status)
			}
		})
	}
}

func TestTheHealthDocument(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	h := NewHealth(HealthOptions{Version: Version{Version: "v1"}, Now: func() time.Time { return now }})
	h.Add(Check{Name: "job-queue", Required: true, Func: fine})
	h.Add(Check{Name: "mail", Func: failing})
	h.Serving()
	for details, message := range map[bool]string{true: `"error":"dial redis://u:[redacted]@10.0.0.7: refused",`, false: ""} {
		_, body := get(t, h.Handler(details), "/health")
		want := `{"status":"degraded","phase":"serving","version":"v1","uptimeSeconds":0,"checks":{` +
			`"job-queue":{"status":"ok","required":true,"durationMs":0,"checkedAt":"2026-03-01T12:00:00Z"},` +
			`"mail":{"status":"failing","required":false,` + message + `"durationMs":0,"checkedAt":"2026-03-01T12:00:00Z"}}}` + "\n"
		if diff := cmp.Diff(want, body); diff != "" {
			t.Error(diff)
		}
		if !json.Valid([]byte(body)) {
			t.Errorf("not JSON: %s", body)
		}
	}
}

func TestVerboseListsTheChecksInOrder(t *testing.T) {
	h := NewHealth(HealthOptions{})
	h.Add(Check{Name: "redis", Required: true, Func: fine})
	h.Add(Check{Name: "mail", Func: failing})
	h.Serving()
	_, body := get(t, h.Handler(false), "/readyz?verbose")
	if diff := cmp.Diff("[+] redis ok\n[-] mail failing\nok\n", body); diff != "" {
		t.Error(diff)
	}
	if _, body := get(t, h.Handler(true), "/readyz?verbose"); !strings.Contains(body, "mail failing: dial") {
		t.Errorf("operators are not told why: %s", body)
	}
	h.Drain()
	if _, body := get(t, h.Handler(false), "/readyz"); body != "draining\n" {
		t.Errorf("got %q", body)
	}
}

func TestAResultIsUsedForAMomentAndSharedByThoseWhoAskAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int64
		h := NewHealth(HealthOptions{Fresh: 2 * time.Second})
		h.Add(Check{Name: "slow", Required: true, Func: func(context.Context) error {
			runs.Add(1)
			<-time.After(time.Second)
			return nil
		}})
		h.Serving()
		ask := func(want int64) {
			var askers sync.WaitGroup
			for range 10 {
				askers.Go(func() {
					if r := h.Report(t.Context()); r.Status != "ok" {
						t.Errorf("status %s", r.Status)
					}
				})
			}
			askers.Wait()
			if runs.Load() != want {
				t.Errorf("the check ran %d times, want %d", runs.Load(), want)
			}
		}
		ask(1)
		<-time.After(2*time.Second - 1)
		ask(1)
		<-time.After(1)
		ask(2)
	})
}

func TestAFailureIsUsedForAnEighthOfThatMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := errors.New("redis is away")
		h := NewHealth(HealthOptions{Fresh: 2 * time.Second})
		h.Add(Check{Name: "redis", Required: true, Func: func(context.Context) error { return err }})
		h.Serving()
		ask := func(want string) {
			if got := h.Report(t.Context()).Status; got != want {
				t.Errorf("status %s, want %s", got, want)
			}
		}
		ask("unavailable")
		err = nil // it is back
		<-time.After(250*time.Millisecond - 1)
		ask("unavailable")
		<-time.After(1)
		ask("ok")
	})
}

func TestACheckThatHangsHasFailedAndIsNotStartedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int64
		release := make(chan struct{})
		h := NewHealth(HealthOptions{})
		h.Add(Check{Name: "stuck", Required: true, Timeout: 3 * time.Second, Func: func(context.Context) error {
			runs.Add(1)
			<-release
			return nil
		}})
		h.Serving()
		began := time.Now()
		for n := range 3 {
			r := h.Report(t.Context())
			if r.Status != "unavailable" || r.Checks["stuck"].Error != "no answer within 3s" {
				t.Errorf("report %d: %+v", n, r)
			}
		}
		if took := time.Since(began); took != 3*time.Second || runs.Load() != 1 {
			t.Errorf("three reports took %v and started %d runs; want only the first to wait", took, runs.Load())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.Close(ctx); err == nil {
			t.Error("Close does not say that a check hangs")
		}
		close(release)
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if r := h.Report(t.Context()); r.Status != "ok" {
			t.Errorf("after it returned: %+v", r)
		}
	})
}

func TestAProbeThatGoesAwayDoesNotSpoilTheResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHealth(HealthOptions{})
		h.Add(Check{Name: "slow", Required: true, Func: func(ctx context.Context) error {
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}})
		h.Serving()
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if r := h.Report(impatient); r.Status != "unavailable" {
			t.Errorf("status %s", r.Status)
		}
		if r := h.Report(t.Context()); r.Status != "ok" {
			t.Errorf("the next asker got %+v", r)
		}
	})
}

func TestChecksThatAreMistakesInTheProgramAreRefused(t *testing.T) {
	for name, check := range map[string]Check{
		"of the name of another":             {Name: "a", Func: fine},
		"longer than healthcheck would wait": {Name: "b", Required: true, Timeout: healthcheckTimeout, Func: fine},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			h := NewHealth(HealthOptions{})
			h.Add(Check{Name: "a", Func: fine})
			h.Add(check)
		})
	}
}
