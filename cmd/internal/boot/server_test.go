package boot

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
)

// serve runs a server on a free port and returns its URL and what ends it.
func serve(t *testing.T, o ServerOptions) (base string, stop func() error) {
	t.Helper()
	o.Name, o.Addr = "test", "127.0.0.1:0"
	server, err := Listen(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(cancel)
	return "http://" + server.Addr(), func() error { cancel(); return <-done }
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestOperatorsFindEverything(t *testing.T) {
	version := Version{Version: "v1.2.3", Commit: "abc", Go: "go1.26"}
	health := NewHealth(HealthOptions{Version: version})
	health.Add(Check{Name: "job-queue", Required: true, Func: fine})
	health.Serving()
	base, stop := serve(t, ServerOptions{Handler: OpsHandler(NewRegistry(version), health, version, slog.New(slog.DiscardHandler))})
	for path, want := range map[string]string{
		"/metrics":          `tandem_build_info{commit="abc",go_version="go1.26",version="v1.2.3"} 1`,
		"/health":           `"job-queue"`,
		"/readyz?verbose":   "[+] job-queue ok",
		"/livez":            "ok",
		"/healthz":          "ok",
		"/version":          `"version":"v1.2.3"`,
		"/debug/pprof/":     "goroutine",
		"/debug/pprof/heap": "",
		"/":                 "/metrics",
	} {
		if code, body := fetch(t, base+path); code != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d, and %q is missing in %.200q", path, code, want, body)
		}
	}
	if code, _ := fetch(t, base+"/nothing"); code != 404 {
		t.Errorf("/nothing: %d", code)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestAServerLetsRunningRequestsFinish(t *testing.T) {
	began, finish, stopping := make(chan struct{}), make(chan struct{}), make(chan struct{})
	base, stop := serve(t, ServerOptions{
		OnStop: func() { close(stopping) },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(began)
			<-finish
			_, _ = io.WriteString(w, "done")
		}),
	})
	answered := make(chan string, 1)
	go func() {
		_, body := fetch(t, base)
		answered <- body
	}()
	<-began
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	<-stopping
	close(finish)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if body := <-answered; body != "done" {
		t.Errorf("the running request got %q", body)
	}
}

func TestAServerCutsOffWhatDoesNotFinish(t *testing.T) {
	began := make(chan struct{})
	base, stop := serve(t, ServerOptions{
		DrainTimeout: 10 * time.Millisecond,
		Handler:      http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { close(began); <-r.Context().Done() }),
	})
	go func() {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base, nil)
		if err != nil {
			return
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
		}
	}()
	<-began
	if err := stop(); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("error %v, want one that says so", err)
	}
}

func TestAPortThatIsTakenIsAnErrorOfTheStart(t *testing.T) {
	first, err := Listen(t.Context(), ServerOptions{Name: "first", Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(t.Context(), ServerOptions{Name: "ops", Addr: first.Addr()}); err == nil || !strings.HasPrefix(err.Error(), "ops: ") {
		t.Errorf("error %v, want one that names the server", err)
	}
	for range 2 {
		if err := first.Close(); err != nil {
			t.Error(err)
		}
	}
	second, err := Listen(t.Context(), ServerOptions{Name: "second", Addr: first.Addr()})
	if err != nil {
		t.Fatalf("the port was not given back: %v", err)
	}
	if err := errors.Join(second.Close(), second.Close()); err != nil {
		t.Error(err)
	}
}
