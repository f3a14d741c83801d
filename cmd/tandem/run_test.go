package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/tandemq/tandem/cmd/internal/boottest"
	"github.com/tandemq/tandem/internal/config"
)

func TestTandemIsReadyWithNothingAroundItAndEndsClean(t *testing.T) {
	run := boottest.Start(t, program(), map[string]string{
		"PORT": "0", "OPS_ADDR": "127.0.0.1:0", "DATA_DIR": t.TempDir(), "LOG_FORMAT": "json",
	})
	run.Await("the ready line", func() bool { return strings.Contains(run.Output(), "ready: api") })
	found := regexp.MustCompile(`ready: api (\S+) · docs (\S+) · metrics (\S+) · mails (\S+)`).FindStringSubmatch(run.Output())
	if found == nil {
		t.Fatalf("it says %s", run.Output())
	}
	if strings.HasSuffix(found[1], ":0") {
		t.Errorf("links lead to %s", found[1])
	}
	for _, url := range []string{found[1] + "/readyz", found[2], found[3], found[4]} {
		if got := boottest.Status(t, url); got != 200 {
			t.Errorf("%s: %d", url, got)
		}
	}
	run.Stop()
}

func TestARequestThatIsRepeatedAfterARestartIsWorkedOn(t *testing.T) {
	env := map[string]string{"PORT": "0", "OPS_ADDR": "127.0.0.1:0", "DATA_DIR": t.TempDir()}
	for n := range 2 {
		run := boottest.Start(t, program(), env)
		run.Await("the ready line", func() bool { return strings.Contains(run.Output(), "ready: api") })
		api := regexp.MustCompile(`ready: api (\S+)`).FindStringSubmatch(run.Output())[1]
		body := strings.NewReader(`{"template":"generic","to":"ada@example.com","data":{"message":"Hello"}}`)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api+"/api/v1/emails", body)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Idempotency-Key", "order-1")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		job := boottest.Status(t, api+answer.Header.Get("Location")) // a GET
		if answer.StatusCode != 202 || answer.Header.Get("Idempotency-Replayed") != "" || job != 200 {
			t.Errorf("start %d: %s with %v, its job %d", n, answer.Status, answer.Header, job)
		}
		run.Stop()
	}
}

func TestTheDemoUsesNothingThatItsSurroundingsName(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	surroundings := map[string]string{}
	for _, v := range config.TandemVariables() {
		surroundings[v.Name] = "://nowhere"
		if v.Secret {
			surroundings[v.Name] = ""
			surroundings[v.Name+"_FILE"] = "/nowhere"
		}
	}
	surroundings["LOG_LEVEL"], surroundings["LOG_FORMAT"] = "warn", "json"
	run := boottest.Start(t, program(), surroundings, "demo")
	if code := run.Code(); code != 0 || !strings.Contains(run.Output(), "Everything is done") {
		t.Errorf("exit code %d:\n%s", code, run.Output())
	}
}

func TestTandemListsEveryMistake(t *testing.T) {
	run := boottest.Start(t, program(), map[string]string{
		"PORT": "http", "EMAIL_CONCURRENCY": "0", "API_KEYS": "ops", "STORAGE_URL": "file://data/files", "SMTP_URL": "smtp://localhost?tls=off",
	})
	if code := run.Code(); code != 2 {
		t.Errorf("exit code %d", code)
	}
	for _, variable := range []string{"PORT", "EMAIL_CONCURRENCY", "API_KEYS", "STORAGE_URL", "SMTP_URL"} {
		if strings.Count(run.Output(), "  "+variable+" ") != 1 {
			t.Errorf("%s is not named once:\n%s", variable, run.Output())
		}
	}
}
