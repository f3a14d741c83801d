package config_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/config"
)

// env is an environment, without that of the process.
type env map[string]string

func (e env) lookup(name string) (string, bool) {
	value, ok := e[name]
	return value, ok
}

func (e env) with(more env) env {
	all := env{}
	for _, part := range []env{e, more} {
		for name, value := range part {
			all[name] = value
		}
	}
	return all
}

var (
	development = env{"APP_ENV": "development"}
	key         = strings.Repeat("k", 32)
	production  = env{
		"API_KEYS": "ops:0123456789abcdef", "URL_SIGNING_KEY": key, "PUBLIC_URL": "https://tandem.example.com/",
		"SMTP_URL": "smtps://u:hunter2@mail.example.com", "MAIL_FROM": "Tandem <tandem@example.com>",
	}
)

func TestDefaultsAreWhatTheContractSays(t *testing.T) {
	api, err := config.LoadAPI(development.lookup)
	if err != nil {
		t.Fatal(err)
	}
	worker, err := config.LoadWorker(development.lookup)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(api.Addr(), api.HTTP.OpsAddr, worker.Work.OpsAddr, api.LogFormat, api.LogLevel.Level, api.Redis.URL, api.Redis.Prefix,
		worker.Work.EmailConcurrency, worker.Work.ExportConcurrency, worker.Work.ReportConcurrency, worker.Work.LockDuration,
		worker.ShutdownTimeout, api.Files.PublicURL, worker.Mail.SMTPURL, api.HTTP.BodyLimit, api.HTTP.BulkBodyLimit, api.Access.RateLimit)
	want := "127.0.0.1:8080 :8081 :8082 auto INFO redis://localhost:6379/0 bull 5 2 3 5s 30s " +
		"http://localhost:8080 smtp://localhost:1025 262144 8388608 600/1m0s\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if directory, _ := filepath.Abs("data/files"); api.Files.StorageURL.Reveal() != "file://"+directory {
		t.Errorf("files go to %s", api.Files.StorageURL)
	}
}

func TestValuesAreReadFromTheEnvironment(t *testing.T) {
	api, err := config.LoadAPI(production.with(env{
		"PORT": " 9000 ", "HTTP_READ_TIMEOUT": "5s", "NO_COLOR": "0", "LOG_LEVEL": "debug", "LOG_FORMAT": "json",
		"REDIS_ADDRS": "a:1, b:2 ,", "REDIS_MASTER_NAME": "main", "RATE_LIMIT": "10/s",
		"TRUSTED_PROXIES": "10.1.2.3/8, 192.0.2.1, ::1", "CORS_ORIGINS": "https://a.example.com,http://localhost:3000",
		"URL_SIGNING_KEY": key + ", " + strings.ToUpper(key),
	}).lookup)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(api.Addr(), api.HTTP.ReadTimeout, api.NoColor, api.LogLevel.Level, api.LogFormat, len(api.Redis.Addrs), api.Redis.Sentinel(),
		api.Access.RateLimit.Count, api.Access.RateLimit.Per, api.Access.TrustedProxies, api.Access.CORSOrigins, len(api.Files.SigningKey.List()), api.Files.PublicURL)
	want := ":9000 5s true DEBUG json 2 true 10 1s 10.0.0.0/8,192.0.2.1/32,::1/128 https://a.example.com,http://localhost:3000 2 https://tandem.example.com\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnEmptyVariableIsUnset(t *testing.T) {
	everything := env{}
	for _, v := range append(config.APIVariables(), config.WorkerVariables()...) {
		everything[v.Name], everything[v.Name+"_FILE"] = "  ", ""
	}
	everything["APP_ENV"] = "development"
	got, err := config.LoadAPI(everything.lookup)
	if err != nil {
		t.Fatal(err)
	}
	want, err := config.LoadAPI(development.lookup)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(dump(t, &want), dump(t, &got)); diff != "" {
		t.Error(diff)
	}
}

func dump(t *testing.T, spec any) string {
	t.Helper()
	var b bytes.Buffer
	if err := config.Dump(&b, spec); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEveryMistakeIsReportedAtOnce(t *testing.T) {
	_, err := config.LoadAPI(env{
		"APP_ENV": "staging", "PORT": "http", "HTTP_READ_TIMEOUT": "30", "HTTP_IDLE_TIMEOUT": "-1s", "LOG_LEVEL": "loud",
		"REDIS_CLUSTER": "perhaps", "REDIS_URL": "http://x", "TRUSTED_PROXIES": "10.0.0.0/99", "RATE_LIMIT": "many", "BODY_LIMIT": "1",
	}.lookup)
	problem, ok := errors.AsType[*config.Error](err)
	if !ok {
		t.Fatalf("error %v, want a *config.Error", err)
	}
	var got []string
	for _, p := range problem.Problems {
		got = append(got, p.Variable+" "+p.Reason)
	}
	want := []string{
		"APP_ENV must be development or production",
		"LOG_LEVEL must be debug, info, warn or error",
		"PORT must be a whole number",
		"HTTP_READ_TIMEOUT must be a duration such as 500ms, 30s or 5m",
		"RATE_LIMIT must be off, or a number of requests and a time, such as 600/1m",
		`TRUSTED_PROXIES has "10.0.0.0/99", which is neither an address nor a network such as 10.0.0.0/8`,
		"REDIS_CLUSTER must be true or false",
		"HTTP_IDLE_TIMEOUT must be more than zero",
		"BODY_LIMIT must be at least 1024",
		"API_KEYS is needed in production; for a try, set APP_ENV=development",
		"REDIS_URL must begin with redis:// or rediss://",
		"PUBLIC_URL is needed in production: where people reach the API, such as https://tandem.example.com",
		"URL_SIGNING_KEY is needed in production; openssl rand -base64 32 makes one",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if lines := strings.Count(err.Error(), "\n"); lines != len(want) || !strings.HasPrefix(err.Error(), "the configuration has 13 mistakes:") {
		t.Errorf("the error does not list them one a line:\n%v", err)
	}
}

func TestCombinationsOfTheAPI(t *testing.T) {
	tests := []struct {
		name     string
		base     env
		change   env
		variable string // the one to blame; "" when all is well
	}{
		{"production", production, nil, ""},
		{"development", development, nil, ""},
		{"production without keys", production, env{"API_KEYS": ""}, "API_KEYS"},
		{"production with tokens only", production, env{"API_KEYS": "", "JWT_KEY": key, "JWT_ISSUER": "me"}, ""},
		{"tokens without issuer", production, env{"JWT_KEY": key}, "JWT_ISSUER"},
		{"weak token key", production, env{"JWT_KEY": "short", "JWT_ISSUER": "me"}, "JWT_KEY"},
		{"weak signing key", production, env{"URL_SIGNING_KEY": key + ",short"}, "URL_SIGNING_KEY"},
		{"weak signing key in development", development, env{"URL_SIGNING_KEY": "short"}, "URL_SIGNING_KEY"},
		{"no signing key", production, env{"URL_SIGNING_KEY": ","}, "URL_SIGNING_KEY"},
		{"public URL in the clear", production, env{"PUBLIC_URL": "http://tandem.example.com"}, "PUBLIC_URL"},
		{"public URL on localhost", production, env{"PUBLIC_URL": "http://localhost:8080"}, ""},
		{"public URL on 127.0.0.1", production, env{"PUBLIC_URL": "http://127.0.0.1:8080"}, ""},
		{"public URL without a host", production, env{"PUBLIC_URL": "https:///x"}, "PUBLIC_URL"},
		{"public URL of another kind", production, env{"PUBLIC_URL": "javascript:alert(1)"}, "PUBLIC_URL"},
		{"public URL with a query", production, env{"PUBLIC_URL": "https://x.example.com/?a=b"}, "PUBLIC_URL"},
		{"open to the network", development, env{"HOST": "0.0.0.0"}, "HOST"},
		{"open on loopback", development, env{"HOST": "::1"}, ""},
		{"closed to the network", development, env{"HOST": "0.0.0.0", "API_KEYS": "k:0123456789abcdef"}, ""},
		{"port too high", development, env{"PORT": "65536"}, "PORT"},
		{"any port", development, env{"PORT": "0", "PUBLIC_URL": "http://localhost:8080"}, ""},
		{"any port for links", development, env{"PORT": "0"}, "PUBLIC_URL"},
		{"no ops port", development, env{"OPS_ADDR": "localhost"}, "OPS_ADDR"},
		{"bulk less than single", development, env{"BULK_BODY_LIMIT": "2048"}, "BULK_BODY_LIMIT"},
		{"no time to stop", development, env{"SHUTDOWN_TIMEOUT": "0s"}, "SHUTDOWN_TIMEOUT"},
		{"origin with a path", development, env{"CORS_ORIGINS": "https://a.example.com/x"}, "CORS_ORIGINS"},
		{"every origin", development, env{"CORS_ORIGINS": "*"}, "CORS_ORIGINS"},
		{"sentinel", development, env{"REDIS_ADDRS": "a:1", "REDIS_MASTER_NAME": "m"}, ""},
		{"sentinel without addresses", development, env{"REDIS_MASTER_NAME": "m"}, "REDIS_ADDRS"},
		{"addresses of what", development, env{"REDIS_ADDRS": "a:1"}, "REDIS_ADDRS"},
		{"address without port", development, env{"REDIS_ADDRS": "a", "REDIS_MASTER_NAME": "m"}, "REDIS_ADDRS"},
		{"sentinel and cluster", development, env{"REDIS_ADDRS": "a:1", "REDIS_MASTER_NAME": "m", "REDIS_CLUSTER": "true", "QUEUE_PREFIX": "{b}"}, "REDIS_MASTER_NAME"},
		{"cluster", development, env{"REDIS_CLUSTER": "true", "QUEUE_PREFIX": "{bull}"}, ""},
		{"cluster without hash tag", development, env{"REDIS_CLUSTER": "true"}, "QUEUE_PREFIX"},
		{"cluster with empty hash tag", development, env{"REDIS_CLUSTER": "true", "QUEUE_PREFIX": "{}bull"}, "QUEUE_PREFIX"},
		{"replicas to wait for", development, env{"REDIS_WAIT_REPLICAS": "1"}, ""},
		{"fewer replicas than none", development, env{"REDIS_WAIT_REPLICAS": "-1"}, "REDIS_WAIT_REPLICAS"},
		{"wait longer than a call", development, env{"REDIS_WAIT_TIMEOUT": "3s"}, "REDIS_WAIT_TIMEOUT"},
		{"no wait at all", development, env{"REDIS_WAIT_TIMEOUT": "0s"}, "REDIS_WAIT_TIMEOUT"},
		{"prefix with a colon", development, env{"QUEUE_PREFIX": "a:b"}, "QUEUE_PREFIX"},
		{"postgres", production, env{"DATABASE_URL": "postgres://u:p@h/d"}, ""},
		{"another database", production, env{"DATABASE_URL": "mysql://u:p@h/d"}, "DATABASE_URL"},
		{"another storage", production, env{"STORAGE_URL": "ftp://u:p@h/d"}, "STORAGE_URL"},
		{"files for the time that S3 signs", production, env{"STORAGE_URL": "s3://u:p@h/b", "ARTIFACT_TTL": "168h"}, ""},
		{"files for longer than S3 signs", production, env{"STORAGE_URL": "s3://u:p@h/b", "ARTIFACT_TTL": "168h1s"}, "ARTIFACT_TTL"},
		{"files for longer in a directory", production, env{"STORAGE_URL": "file:///files", "ARTIFACT_TTL": "720h"}, ""},
		{"datasets of no file", production, env{"DATASETS_DATABASE_URL": "postgres://u:p@h/d"}, "DATASETS_FILE"},
		{"traces to nowhere", production, env{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := config.LoadAPI(test.base.with(test.change).lookup)
			checkProblem(t, err, test.variable)
		})
	}
}

func checkProblem(t *testing.T, err error, variable string) {
	t.Helper()
	var got []string
	if problem, ok := errors.AsType[*config.Error](err); ok {
		for _, p := range problem.Problems {
			got = append(got, p.Variable)
		}
	}
	var want []string
	if variable != "" {
		want = []string{variable}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestCombinationsOfTheWorker(t *testing.T) {
	tests := []struct {
		name     string
		base     env
		change   env
		variable string
	}{
		{"production", production, nil, ""},
		{"development", development, nil, ""},
		{"no mail server", production, env{"SMTP_URL": ""}, "SMTP_URL"},
		{"another mail server", production, env{"SMTP_URL": "https://mail"}, "SMTP_URL"},
		{"no sender", production, env{"MAIL_FROM": ""}, "MAIL_FROM"},
		{"weak hash key", production, env{"ADDRESS_HASH_KEY": "short"}, "ADDRESS_HASH_KEY"},
		{"nobody sends mails", development, env{"EMAIL_CONCURRENCY": "0"}, "EMAIL_CONCURRENCY"},
		{"exports of nothing", development, env{"EXPORT_MAX_BYTES": "1024"}, "EXPORT_MAX_BYTES"},
		{"short lock", development, env{"LOCK_DURATION": "10ms"}, "LOCK_DURATION"},
		{"keeps nothing", development, env{"KEEP_COMPLETED": "0"}, "KEEP_COMPLETED"},
		{"keeps for no time", development, env{"KEEP_HISTORY": "-1h"}, "KEEP_HISTORY"},
		{"no report can be asked about the tenant", development, env{"DEFAULT_TENANT": "a b"}, "DEFAULT_TENANT"},
		{"no such time zone", development, env{"REPORT_TIME_ZONE": "Europe/Berlyn"}, "REPORT_TIME_ZONE"},
		{"another zone on each machine", development, env{"REPORT_TIME_ZONE": "Local"}, "REPORT_TIME_ZONE"},
		{"a tenant in no zone", development, env{"REPORT_TIME_ZONES": "acme"}, "REPORT_TIME_ZONES"},
		{"two zones of a tenant", development, env{"REPORT_TIME_ZONES": "acme=UTC,acme=Asia/Tokyo"}, "REPORT_TIME_ZONES"},
		{"a zone of no tenant", development, env{"REPORT_TIME_ZONES": "=UTC"}, "REPORT_TIME_ZONES"},
		{"needs no API keys", production, env{"API_KEYS": ""}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := config.LoadWorker(test.base.with(test.change).lookup)
			checkProblem(t, err, test.variable)
		})
	}
}

func TestATenantHasItsOwnTimeZoneOrThatOfAll(t *testing.T) {
	for name, test := range map[string]struct {
		env  env
		want string // of acme and globex
	}{
		"nothing set": {nil, "UTC UTC"},
		"for all":     {env{"REPORT_TIME_ZONE": "Europe/Berlin"}, "Europe/Berlin Europe/Berlin"},
		"for one": {
			env{"REPORT_TIME_ZONE": "Europe/Berlin", "REPORT_TIME_ZONES": "initech=UTC, acme=Asia/Tokyo"}, "Asia/Tokyo Europe/Berlin",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := config.LoadWorker(development.with(test.env).lookup)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(c.Reports.Zone("acme"), " ", c.Reports.Zone("globex")); got != test.want {
				t.Errorf("acme and globex are in %s, want %s", got, test.want)
			}
		})
	}
}

func TestTandemNeedsNothing(t *testing.T) {
	c, err := config.LoadTandem(env{}.lookup)
	if err != nil {
		t.Fatal(err)
	}
	if !c.EmbeddedRedis || !c.CatchMail || c.API.Environment != config.Development || c.Worker.Work.OpsAddr != "127.0.0.1:8081" {
		t.Errorf("embedded Redis %t, mail catcher %t, %s, ops on %s", c.EmbeddedRedis, c.CatchMail, c.API.Environment, c.Worker.Work.OpsAddr)
	}
	c, err = config.LoadTandem(env{"REDIS_URL": "redis://r:1", "SMTP_URL": "smtp://m:25", "PORT": "9000"}.lookup)
	if err != nil {
		t.Fatal(err)
	}
	if c.EmbeddedRedis || c.CatchMail || c.Worker.Redis.URL.Reveal() != "redis://r:1" || c.Worker.Files.PublicURL != "http://localhost:9000" {
		t.Errorf("embedded Redis %t, mail catcher %t, Redis %s, links to %s", c.EmbeddedRedis, c.CatchMail, c.Worker.Redis.URL, c.Worker.Files.PublicURL)
	}
}

func TestASecretMayStandInAFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tests := []struct {
		name, path, want, problem string
	}{
		{"plain", write("plain", key), key, ""},
		{"with a newline", write("newline", key+"\r\n"), key, ""},
		{"with space inside and around", write("space", " "+key+" "), " " + key + " ", ""},
		{"missing", filepath.Join(dir, "missing"), "", "cannot be read"},
		{"a directory", dir, "", "cannot be read"},
		{"empty", write("empty", "\n"), "", "empty"},
		{"huge", write("huge", strings.Repeat("x", 65<<10)), "", "more than 65536 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := config.LoadAPI(production.with(env{"JWT_ISSUER": "me", "JWT_KEY_FILE": test.path}).lookup)
			if test.problem != "" {
				checkProblem(t, err, "JWT_KEY_FILE")
				if err != nil && !strings.Contains(err.Error(), test.problem) {
					t.Errorf("error %v, want one that says %q", err, test.problem)
				}
				return
			}
			if err != nil || c.Access.JWTKey.Reveal() != test.want {
				t.Errorf("read %q, %v", c.Access.JWTKey.Reveal(), err)
			}
		})
	}
	_, err := config.LoadAPI(production.with(env{"API_KEYS_FILE": write("twice", "k")}).lookup)
	checkProblem(t, err, "API_KEYS")
	_, err = config.LoadAPI(production.with(env{"DATABASE_URL_FILE": write("url", "postgres://u:hunter2@h:port/d")}).lookup)
	checkProblem(t, err, "DATABASE_URL_FILE")
}

func TestNoSecretIsEverShown(t *testing.T) {
	const secret = "hunter2hunter2hunter2hunter2hunter2"
	all := production.with(env{"JWT_ISSUER": "me", "DATASETS_FILE": "x"})
	for _, v := range append(config.APIVariables(), config.WorkerVariables()...) {
		switch {
		case v.Name == "SMTP_URL":
			all[v.Name] = "smtp://user:" + secret + "@host"
		case v.Secret && strings.HasSuffix(v.Name, "_URL"):
			all[v.Name] = map[bool]string{true: "redis", false: "postgres"}[v.Name == "REDIS_URL"] + "://user:" + secret + "@host/x?password=" + secret
		case v.Name == "OTEL_EXPORTER_OTLP_ENDPOINT":
			all[v.Name] = "https://user:" + secret + "@host"
		case v.Secret:
			all[v.Name] = secret
		}
	}
	all["STORAGE_URL"] = "s3://user:" + secret + "@host/bucket?key=" + secret
	api, err := config.LoadAPI(all.lookup)
	if err != nil {
		t.Fatal(err)
	}
	worker, err := config.LoadWorker(all.lookup)
	if err != nil {
		t.Fatal(err)
	}

	var shown bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&shown, nil), slog.NewTextHandler(&shown, nil)} {
		slog.New(handler).Info("x", "api", api, "worker", worker, "url", api.Database.URL, "key", api.Access.JWTKey)
	}
	for _, c := range []any{api, worker, &api, &worker, api.Access.APIKeys, api.Redis.URL} {
		fmt.Fprintf(&shown, "%v %+v %#v %s %q %x\n", c, c, c, c, c, c)
	}
	shown.WriteString(dump(t, &api) + dump(t, &worker))
	if strings.Contains(shown.String(), secret) || strings.Contains(shown.String(), fmt.Sprintf("%x", secret)) {
		t.Error("a secret is shown")
	}
	for _, useful := range []string{"JWT_KEY=[set]", "redis://user:xxxxx@host/x", "s3://user:xxxxx@host/bucket"} {
		if !strings.Contains(shown.String(), useful) {
			t.Errorf("%s is not shown", useful)
		}
	}

	for name := range all {
		all[name] = "://" + secret // wrong in every type that can be wrong
	}
	if _, err := config.LoadAPI(all.lookup); err == nil || strings.Contains(errorAbout(err, config.APIVariables()), secret) {
		t.Errorf("the error shows a secret, or there is none: %v", err)
	}
}

// errorAbout is what the error says of secrets.
func errorAbout(err error, variables []config.Variable) string {
	problem, _ := errors.AsType[*config.Error](err)
	var text strings.Builder
	for _, p := range problem.Problems {
		for _, v := range variables {
			if v.Secret && v.Name == p.Variable {
				text.WriteString(p.Reason)
			}
		}
	}
	return text.String()
}

func TestRates(t *testing.T) {
	tests := []struct {
		text string
		want config.Rate
		ok   bool
	}{
		{"600/1m", config.Rate{Count: 600, Per: time.Minute}, true},
		{"10/s", config.Rate{Count: 10, Per: time.Second}, true},
		{"off", config.Rate{}, true},
		{"0/s", config.Rate{}, false},
		{"10", config.Rate{}, false},
		{"10/-1s", config.Rate{}, false},
		{"x/1s", config.Rate{}, false},
		{"10/", config.Rate{}, false},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			var got config.Rate
			err := got.UnmarshalText([]byte(test.text))
			if (err == nil) != test.ok || got != test.want {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func FuzzLoadingNeverPanicsAndValuesComeThrough(f *testing.F) {
	f.Add("8080", "host", "10/s", "10.0.0.0/8")
	f.Add("`\"\\", "a\"b default:\"x\"", "\x00", "é\xff")
	f.Fuzz(func(t *testing.T, port, host, rate, proxies string) {
		c, err := config.LoadAPI(development.with(env{
			"PORT": port, "WORKER_NAME": host, "JWT_AUDIENCE": host, "RATE_LIMIT": rate, "TRUSTED_PROXIES": proxies}).lookup)
		if want := strings.TrimSpace(host); want != "" && c.Access.JWTAudience != want {
			t.Errorf("%q came through as %q (%v)", host, c.Access.JWTAudience, err)
		}
	})
}
