package apiapp_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tandemq/tandem/cmd/internal/apiapp"
	"github.com/tandemq/tandem/cmd/internal/boot"
	"github.com/tandemq/tandem/internal/config"
	"github.com/tandemq/tandem/internal/jobs/admin"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/redistest"
)

func TestWhoSignsUpWhileTheAPIStopsGetsTheirMail(t *testing.T) {
	server := redistest.Shared(t)
	env := map[string]string{
		"APP_ENV": "development", "HOST": "127.0.0.1", "PORT": "0", "PUBLIC_URL": "http://localhost:8080", "DATA_DIR": t.TempDir(), "OPS_ADDR": "127.0.0.1:0",
		"REDIS_URL": server.URL, "QUEUE_PREFIX": server.Prefix(t), "DRAIN_DELAY": "3s",
	}
	c, err := config.LoadAPI(func(name string) (string, bool) { value, ok := env[name]; return value, ok })
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	address, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- apiapp.Run(ctx, c, apiapp.Host{
			Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Registry: prometheus.NewRegistry(), Health: boot.NewHealth(boot.HealthOptions{}),
			Ready: func(at string) { address <- at },
		})
	}()
	var at string
	select {
	case at = <-address:
	case err := <-ended:
		t.Fatal(err)
	}
	stop() // SIGTERM: requests are answered for another DRAIN_DELAY
	body := strings.NewReader(`{"name":"Ada","email":"ada@example.com","password":"correct horse battery staple"}`)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+at+"/register", body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		t.Fatalf("status %d", answer.StatusCode)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := waiting(t, server.URL, env["QUEUE_PREFIX"]); n != 1 {
		t.Errorf("%d mails wait in Redis after the stop, want the welcome", n)
	}
}

// waiting is how many mails wait to be sent.
func waiting(t *testing.T, url, prefix string) int64 {
	t.Helper()
	conn, err := redisconn.Open(redisconn.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	queue, err := admin.New(conn, prefix, "email")
	if err != nil {
		t.Fatal(err)
	}
	counts, err := queue.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return counts.Waiting
}
