package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// wrong are values that only those can tell who read them.
var wrong = map[string][]string{
	"REDIS_URL":             {"redis://:hunter2@localhost/first", "redis://:hunter2@localhost/0?speed=9"},
	"DATABASE_URL":          {"postgres://u:hunter2@localhost/d?sslmode=perhaps", "sqlite:///data/tandem.db?key=hunter2", "file::memory:"},
	"STORAGE_URL":           {"file://data/files", "s3://key:hunter2@localhost", "s3://key:hunter2@localhost/files?zone=1"},
	"DATASETS_FILE":         {"/nowhere/datasets.yaml", "testdata/datasets.yaml", "testdata/reports.yaml"},
	"DATASETS_DATABASE_URL": {"sqlite:///data/orders.db?key=hunter2"},
	"SMTP_URL":              {"http://localhost", "smtp://localhost?tls=off", "smtp://u:hunter2@mail.example.com?tls=none"},
	"MAIL_FROM":             {"Ops team"},
	"EMAIL_CONCURRENCY":     {"0"},
}

func TestTheWorkerDoesNotStartWithAValueThatNobodyCanRead(t *testing.T) {
	for variable, values := range wrong {
		for _, value := range values {
			t.Run(variable+"="+value, func(t *testing.T) {
				env := development(t)
				env["DATASETS_FILE"] = "testdata/good.yaml"
				env[variable] = value
				expectMistakes(t, env, variable)
			})
		}
	}
}

func TestTheWorkerTellsAllMistakesAtOnce(t *testing.T) {
	env := development(t)
	for variable, values := range wrong {
		env[variable] = values[0]
	}
	expectMistakes(t, env, slices.Sorted(maps.Keys(wrong))...)
}

func expectMistakes(t *testing.T, env map[string]string, variables ...string) {
	t.Helper()
	run := boottest.Start(t, program(), env)
	if code := run.Code(); code != 2 || strings.Contains(run.Output(), "hunter2") {
		t.Errorf("exit code %d:\n%s", code, run.Output())
	}
	var told []string
	for line := range strings.Lines(run.Output()) {
		if mistake, ok := strings.CutPrefix(line, "  "); ok {
			variable, _, _ := strings.Cut(mistake, " ")
			told = append(told, variable)
		}
	}
	slices.Sort(told)
	if diff := cmp.Diff(variables, told); diff != "" {
		t.Errorf("mistakes (-want +told):\n%s\n%s", diff, run.Output())
	}
}
