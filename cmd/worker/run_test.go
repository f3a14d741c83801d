package main

import (
	"strings"
	"testing"

	"github.com/tandemq/tandem/cmd/internal/boottest"
	"github.com/tandemq/tandem/internal/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }

func development(t *testing.T) map[string]string {
	t.Helper()
	server := redistest.Shared(t)
	return map[string]string{
		"APP_ENV": "development", "OPS_ADDR": "127.0.0.1:0", "DATA_DIR": t.TempDir(), "LOG_FORMAT": "json",
		"REDIS_URL": server.URL, "QUEUE_PREFIX": server.Prefix(t),
	}
}

func TestTheWorkerWorksUntilItIsStoppedAndEndsClean(t *testing.T) {
	run := boottest.Start(t, program(), development(t))
	ops := run.Addr("ops")
	run.Await("the worker is ready", func() bool { return boottest.Status(t, "http://"+ops+"/readyz") == 200 })
	for _, path := range []string{"/livez", "/health", "/metrics"} {
		if got := boottest.Status(t, "http://"+ops+path); got != 200 {
			t.Errorf("%s: %d", path, got)
		}
	}
	run.Stop()
}

// A rollout waits for readiness, so new workers that do not reach Redis must not
// replace those that do; a restart would not mend it, so they stay alive.
func TestTheWorkerIsNotReadyWhileRedisIsAway(t *testing.T) {
	server := redistest.Own(t, redistest.Options{})
	env := development(t)
	env["REDIS_URL"] = server.URL
	server.Kill()
	run := boottest.Start(t, program(), env)
	ops := "http://" + run.Addr("ops")
	ready := func(status int) func() bool {
		return func() bool { return boottest.Status(t, ops+"/readyz") == status }
	}
	for range 2 {
		run.Await("it says that it is not ready", ready(503))
		if got := boottest.Status(t, ops+"/livez"); got != 200 {
			t.Errorf("/livez: %d", got)
		}
		server.Restart()
		run.Await("the worker is ready", ready(200))
		server.Kill()
	}
	run.Stop()
}

func TestTheWorkerDoesNotStartWith(t *testing.T) {
	for _, test := range []struct {
		name, variable, value string
		code                  int
		says                  string
	}{
		{"a wrong number", "EMAIL_CONCURRENCY", "0", 2, "EMAIL_CONCURRENCY"},
		{"a mail server that cannot be read", "SMTP_URL", "http://localhost", 2, "SMTP_URL"},
		{"datasets that are not there", "DATASETS_FILE", "/nowhere/datasets.yaml", 1, "/nowhere/datasets.yaml"},
	} {
		t.Run(test.name, func(t *testing.T) {
			env := development(t)
			env[test.variable] = test.value
			run := boottest.Start(t, program(), env)
			if code := run.Code(); code != test.code || !strings.Contains(run.Output(), test.says) {
				t.Errorf("exit code %d:\n%s", code, run.Output())
			}
		})
	}
}
