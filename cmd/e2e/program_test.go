package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tandemq/tandem/internal/store/storetest"
)

func TestEveryBinaryExplainsItself(t *testing.T) {
	t.Parallel()
	for _, binary := range []string{"api", "worker", "tandem"} {
		for argument, words := range map[string]string{"--help": "docs/configuration.md", "--version": binary + " "} {
			p := launch(t, binary, nil, argument)
			if code := p.code(); code != 0 || !strings.Contains(p.stdout.String(), words) || p.stderr.String() != "" {
				t.Errorf("%s %s: exit code %d\n%s\n%s", binary, argument, code, p.stdout.String(), p.stderr.String())
			}
		}
		p := launch(t, binary, nil, "dance")
		if code := p.code(); code != 2 || !strings.Contains(p.stderr.String(), "dance") {
			t.Errorf("%s dance: exit code %d: %s", binary, code, p.stderr.String())
		}
	}
}

func TestABadConfigurationEndsWithTwoAndEveryMistake(t *testing.T) {
	t.Parallel()
	for binary, needed := range map[string][]string{
		"api":    {"API_KEYS", "PUBLIC_URL", "URL_SIGNING_KEY", "LOG_LEVEL", "REDIS_URL", "PORT", "OPS_ADDR", "STORAGE_URL", "DATASETS_FILE"},
		"worker": {"SMTP_URL", "MAIL_FROM", "PUBLIC_URL", "URL_SIGNING_KEY", "LOG_LEVEL", "REDIS_URL", "EMAIL_CONCURRENCY", "OPS_ADDR", "STORAGE_URL", "DATASETS_FILE"},
	} {
		p := launch(t, binary, map[string]string{
			"LOG_LEVEL": "loud", "REDIS_URL": "http://user:hunter2@localhost", "URL_SIGNING_KEY": "short-secret",
			"PORT": "http", "OPS_ADDR": "nowhere", "EMAIL_CONCURRENCY": "many",
			"STORAGE_URL": "s3://key:hunter2@localhost", "DATASETS_FILE": "/nowhere/datasets.yaml", "MAIL_FROM": "Ops team",
		})
		if code := p.code(); code != 2 || p.stdout.String() != "" {
			t.Errorf("%s: exit code %d, stdout %q", binary, code, p.stdout.String())
		}
		said := p.stderr.String()
		for _, variable := range needed {
			if !strings.Contains(said, "  "+variable+" ") {
				t.Errorf("%s does not complain about %s:\n%s", binary, variable, said)
			}
		}
		for _, secret := range []string{"hunter2", "short-secret"} {
			if strings.Contains(said, secret) {
				t.Errorf("%s shows a secret:\n%s", binary, said)
			}
		}
	}
}

func TestMigrateMakesTheTablesAndEnds(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, database string) {
		w := newWorld(t, database)
		w.env["API_KEYS"] = apiKeys()
		for range 2 { // the second finds nothing to do
			if p := launch(t, "api", w.env, "migrate"); p.code() != 0 {
				t.Errorf("exit code %d", p.code())
			}
		}
		if n := query[int](w, "SELECT COUNT(*) FROM users"); n != 0 {
			t.Errorf("%d users", n)
		}
	})
}

func TestHealthcheckTellsAContainerWhetherItsServiceIsReady(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLiteURL(t))
	for _, s := range []*service{w.api(), w.worker()} {
		env := map[string]string{"OPS_ADDR": strings.TrimPrefix(s.ops, "http://")}
		if p := launch(t, s.name, env, "healthcheck"); p.code() != 0 {
			t.Errorf("%s is ready: exit code %d: %s", s.name, p.code(), p.stderr.String())
		}
		s.stop()
		if p := launch(t, s.name, env, "healthcheck"); p.code() != 1 {
			t.Errorf("%s is gone: exit code %d", s.name, p.code())
		}
	}
}

// alone is the environment of a newcomer, but for ports that nobody else uses.
func alone(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{
		"PORT": fmt.Sprint(freePort(t)), "OPS_ADDR": fmt.Sprintf("127.0.0.1:%d", freePort(t)), "DATA_DIR": t.TempDir(),
	}
}

func TestTandemNeedsNothingAndSaysWhereItIs(t *testing.T) {
	t.Parallel()
	p := launch(t, "tandem", alone(t))
	eventually(t, "the line that says it is ready", func() bool { return strings.Contains(p.stdout.String(), "Stop with") })
	addresses := regexp.MustCompile(`ready: api (\S+) .* metrics (\S+) · mails (\S+) · redis (\S+)`).FindStringSubmatch(p.stdout.String())
	if addresses == nil || strings.Count(p.stdout.String(), "curl ") != 3 {
		t.Fatalf("it says %s", p.stdout.String())
	}
	api := &service{process: p, url: addresses[1]}
	api.get("/docs").want(t, 200)
	api.get("/readyz").want(t, 200)
	api.get(addresses[2]).want(t, 200)
	api.post("/register", ada).want(t, 201)
	eventually(t, "the welcome mail", func() bool {
		return strings.Contains(api.get(addresses[3]+"mails.json").want(t, 200).body, "Ada Lovelace")
	})
	p.stop()
}

func TestTheDemoShowsEverythingAndEndsWell(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	p := launch(t, "tandem", map[string]string{"TMPDIR": temp}, "demo")
	if code := p.code(); code != 0 {
		t.Fatalf("exit code %d: %s", code, p.stderr.String())
	}
	said := p.stdout.String()
	for _, words := range []string{"POST /register", "mail 5 arrived", "email-report", "Everything is done"} {
		if !strings.Contains(said, words) {
			t.Errorf("it does not say %q:\n%s", words, said)
		}
	}
	kinds := map[string]bool{}
	for line := range strings.Lines(said) {
		if fields := strings.Fields(line); len(fields) == 2 && strings.HasPrefix(fields[1], temp) {
			if info, err := os.Stat(fields[1]); err != nil || fmt.Sprint(info.Size()) != fields[0] {
				t.Errorf("%s is not there: %v", line, err)
			}
			kinds[filepath.Ext(fields[1])] = true
		}
	}
	for _, kind := range []string{".csv", ".xlsx", ".pdf", ".html", ".json", ".db"} {
		if !kinds[kind] {
			t.Errorf("no %s file is named", kind)
		}
	}
}

func TestOperatorsSeeWhatWasDoneAndWhatWentWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.PostgresURL(t))
	api, worker := w.api(), w.worker()
	completed[map[string]any](api, api.add("/api/v1/emails", generic("ada@example.com")).StatusURL)
	if report := health(t, api); report.Checks["job-queue"].Status != "ok" || report.Status != "ok" {
		t.Errorf("health %+v", report)
	}
	w.fail(api, 100)
	eventually(t, "health turns red", func() bool { return status(api.ops+"/health") == http.StatusServiceUnavailable })
	if report := health(t, api); report.Checks["job-queue"].Status != "failing" || report.Checks["redis"].Status != "ok" {
		t.Errorf("health %+v", report)
	}
	api.get("/health").want(t, 503)
	api.get("/readyz").want(t, 200)
	api.add("/api/v1/emails", generic("ada@example.com"))
	w.await(2)

	expectMetrics(t, worker, map[string]string{
		`jobs_processed{job_type="email",status="failed"}`:    "100",
		`jobs_processed{job_type="email",status="completed"}`: "",
		`job_duration_ms_count{job_type="email"}`:             "",
		`tandem_queue_jobs{queue="email",state="failed"}`:     "100",
		`tandem_worker_slots{queue="export"}`:                 "2",
	})
	expectMetrics(t, api, map[string]string{
		`tandem_queue_jobs{queue="email",state="failed"}`:    "100",
		`tandem_queue_oldest_waiting_seconds{queue="email"}`: "",
		`tandem_redis_up`:       "1",
		`tandem_outbox_waiting`: "0",
	})
}

func TestAnAPIAcceptsNothingWhileRedisWouldForgetIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLiteURL(t))
	redis := w.redis.Client(t)
	set := func(name, value string) {
		if err := redis.ConfigSet(t.Context(), name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	set("appendonly", "no")
	api := w.startAPI(w.port)
	eventually(t, "the api listens", func() bool { return status(api.url+"/healthz") == 200 })
	a := api.post("/api/v1/emails", generic("ada@example.com")).want(t, 503)
	if a.header.Get("Retry-After") == "" || status(api.ops+"/readyz") != 503 {
		t.Errorf("headers %v, /readyz %d", a.header, status(api.ops+"/readyz"))
	}
	if n, err := redis.DBSize(t.Context()).Result(); n != 0 || err != nil {
		t.Errorf("%d keys are in Redis, %v", n, err)
	}
	set("appendonly", "yes")
	set("appendfsync", "always")
	w.ready(api)
	api.post("/api/v1/emails", generic("ada@example.com")).want(t, 202)
}

type healthReport struct {
	Status string
	Checks map[string]struct{ Status string }
}

func health(t *testing.T, s *service) healthReport {
	t.Helper()
	return decode[healthReport](t, s.get(s.ops+"/health"))
}

// fail adds n mails that the server refuses, and waits until they have failed.
func (w *world) fail(api *service, n int) {
	w.t.Helper()
	item := `{"data":{"type":"email","payload":` + generic("refused@example.com") + `}}`
	bulk := `{"jobs":[` + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + `]}`
	results := decode[struct{ Results []queued }](w.t, api.post("/api/v1/jobs/bulk", bulk).want(w.t, 202)).Results
	for _, q := range results {
		if j := api.finished(q.StatusURL); j.Status != "failed" {
			w.t.Fatalf("job %s is %s", q.JobID, j.Status)
		}
	}
}

// expectMetrics wants samples there; one with a value, as soon as it has that.
func expectMetrics(t *testing.T, s *service, want map[string]string) {
	t.Helper()
	for sample, value := range want {
		eventually(t, s.name+" says "+sample+" "+value, func() bool {
			got, there := samples(s.get(s.ops+"/metrics").want(t, 200).body)[sample]
			return there && (value == "" || got == value)
		})
	}
}

func samples(page string) map[string]string {
	found := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(page)); lines.Scan(); {
		if at := strings.LastIndexByte(lines.Text(), ' '); at > 0 && !strings.HasPrefix(lines.Text(), "#") {
			found[lines.Text()[:at]] = lines.Text()[at+1:]
		}
	}
	return found
}

func TestLogsFollowARequestFromTheAPIToTheWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLiteURL(t), "LOG_LEVEL", "debug")
	api, worker := w.api(), w.worker()
	a := api.post("/api/v1/emails", generic("ada@example.com"), "X-Request-ID", "request-0042").want(t, 202)
	q := decode[queued](t, a)
	completed[map[string]any](api, q.StatusURL)
	for _, s := range []*service{api, worker} {
		eventually(t, s.name+" logs the request's id", func() bool {
			return mentions(s.stderr.String(), "request_id", "request-0042")
		})
	}
	if !mentions(worker.stderr.String(), "job_id", q.JobID) {
		t.Error("the worker does not name the job")
	}
}

// mentions reports whether a line of a JSON log has the attribute.
func mentions(log, name, value string) bool {
	for line := range strings.Lines(log) {
		var attributes map[string]any
		if json.Unmarshal([]byte(line), &attributes) == nil && attributes[name] == value {
			return true
		}
	}
	return false
}
