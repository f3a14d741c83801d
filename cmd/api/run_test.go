package main

import (
	"maps"
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
		"APP_ENV": "development", "PORT": "0", "PUBLIC_URL": "http://localhost:8080", "OPS_ADDR": "127.0.0.1:0", "DATA_DIR": t.TempDir(), "LOG_FORMAT": "json",
		"REDIS_URL": server.URL, "QUEUE_PREFIX": server.Prefix(t),
	}
}

func TestTheAPIAnswersUntilItIsStoppedAndEndsClean(t *testing.T) {
	run := boottest.Start(t, program(), development(t))
	ops, api := run.Addr("ops"), run.Addr("api")
	run.Await("the api is ready", func() bool { return boottest.Status(t, "http://"+ops+"/readyz") == 200 })
	for url, want := range map[string]int{
		"http://" + api + "/docs": 200, "http://" + api + "/nothing": 404, "http://" + api + "/api/v1/queues": 200, "http://" + ops + "/metrics": 200,
	} {
		if got := boottest.Status(t, url); got != want {
			t.Errorf("%s: %d, want %d", url, got, want)
		}
	}
	run.Stop()
}

func TestTheAPIDoesNotStartOnAPortThatIsTaken(t *testing.T) {
	first := boottest.Start(t, program(), development(t))
	taken := first.Addr("api")
	env := development(t)
	env["PORT"] = taken[strings.LastIndexByte(taken, ':')+1:]
	second := boottest.Start(t, program(), env)
	if code := second.Code(); code != 1 || !strings.Contains(second.Output(), "address already in use") {
		t.Errorf("exit code %d:\n%s", code, second.Output())
	}
	first.Stop()
}

func TestAnOpenAPIDoesNotStartInProduction(t *testing.T) {
	run := boottest.Start(t, program(), map[string]string{"APP_ENV": "production"})
	if code := run.Code(); code != 2 || !strings.Contains(run.Output(), "API_KEYS") {
		t.Errorf("exit code %d:\n%s", code, run.Output())
	}
}

func TestTheAPITellsAllMistakesAtOnce(t *testing.T) {
	env := development(t)
	maps.Copy(env, map[string]string{
		"API_KEYS":      "acme:a-secret-of-some-length:tenant=", // binds nobody
		"JWT_KEY":       "-----BEGIN PUBLIC KEY-----\na-secret-of-some-length\n-----END PUBLIC KEY-----",
		"JWT_ISSUER":    "https://id.example.com",
		"PORT":          "http",
		"REDIS_URL":     "redis://:a-secret-of-some-length@localhost/first",
		"DATABASE_URL":  "postgres://u:a-secret-of-some-length@localhost/d?sslmode=perhaps",
		"STORAGE_URL":   "s3://key:a-secret-of-some-length@localhost",
		"DATASETS_FILE": "/nowhere/datasets.yaml",
	})
	for _, args := range [][]string{nil, {"migrate"}} {
		run := boottest.Start(t, program(), env, args...)
		if code := run.Code(); code != 2 || strings.Contains(run.Output(), "a-secret") {
			t.Errorf("%v: exit code %d:\n%s", args, code, run.Output())
		}
		for _, variable := range []string{"API_KEYS", "JWT_KEY", "PORT", "REDIS_URL", "DATABASE_URL", "STORAGE_URL", "DATASETS_FILE"} {
			if strings.Count(run.Output(), "  "+variable+" ") != 1 {
				t.Errorf("%v: not one mistake in %s:\n%s", args, variable, run.Output())
			}
		}
	}
}

func TestMigrateEndsByItself(t *testing.T) {
	env := development(t)
	run := boottest.Start(t, program(), env, "migrate")
	if code := run.Code(); code != 0 || !strings.Contains(run.Output(), "database migrated") {
		t.Errorf("exit code %d:\n%s", code, run.Output())
	}
	env["DATABASE_URL"], env["DATABASE_WAIT"] = "postgres://u:hunter2@127.0.0.1:1/none", "0s"
	run = boottest.Start(t, program(), env, "migrate")
	if code := run.Code(); code != 1 || strings.Contains(run.Output(), "hunter2") {
		t.Errorf("exit code %d:\n%s", code, run.Output())
	}
}
