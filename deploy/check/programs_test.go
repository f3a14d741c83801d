package check

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// scrape returns the labels of every series that the programs offer.
func scrape(t *testing.T) map[string][]string {
	t.Helper()
	api, worker := programs(t)
	offered := map[string][]string{}
	for _, ops := range []string{api, worker} {
		collect(t, "http://"+ops+"/metrics", offered)
	}
	return offered
}

// programs starts api and worker on a Redis of its own, lets them work a little
// and returns the addresses of their ops listeners. The Redis syncs every second,
// which is a finding worth a warning, so that findings are offered too.
func programs(t *testing.T) (api, worker string) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		missing(t, "redis-server")
	}
	bin, dir := build(t), t.TempDir()
	redis := freePort(t)
	start(t, nil, "redis-server", "--port", redis, "--bind", "127.0.0.1", "--dir", dir,
		"--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory", "200mb", "--maxmemory-policy", "noeviction", "--save", "")
	answers(t, "redis", func() error { return dial(t.Context(), redis) })

	port, apiOps, workerOps := freePort(t), freePort(t), freePort(t)
	env := []string{
		"APP_ENV=development", "LOG_FORMAT=text", "DATA_DIR=" + dir, "REDIS_URL=redis://127.0.0.1:" + redis, "PORT=" + port,
		"SMTP_URL=smtp://127.0.0.1:1?tls=none", // nobody is there: the mails fail, which is offered too
	}
	start(t, append(env, "OPS_ADDR=127.0.0.1:"+apiOps), filepath.Join(bin, "api"))
	start(t, append(env, "OPS_ADDR=127.0.0.1:"+workerOps), filepath.Join(bin, "worker"))
	for _, ops := range []string{apiOps, workerOps} {
		answers(t, "a program", func() error { return get(t, "http://127.0.0.1:"+ops+"/readyz", io.Discard) })
	}
	work(t, "http://127.0.0.1:"+port)

	return "127.0.0.1:" + apiOps, "127.0.0.1:" + workerOps
}

// work has one export done, and one mail try and fail for good, so that series
// which begin with their first event have begun.
func work(t *testing.T, api string) {
	t.Helper()
	for _, job := range []string{
		`{"type":"export","payload":{"format":"csv","query":{},"userId":"u1"}}`,
		`{"type":"email","payload":{"template":"generic","to":"a@example.com","data":{"message":"hello"}},"options":{"maxAttempts":1}}`,
	} {
		answer := post(t, api+"/api/v1/jobs", job)
		url := regexp.MustCompile(`"statusUrl":"([^"]+)"`).FindStringSubmatch(answer)
		if url == nil {
			t.Fatalf("%s was not accepted: %s", job, answer)
		}
		var state bytes.Buffer
		if err := get(t, api+url[1]+"?wait=30s", &state); err != nil || !regexp.MustCompile(`"status":"(completed|failed)"`).Match(state.Bytes()) {
			t.Fatalf("%s did not finish: %v, %s", job, err, &state)
		}
	}
}

// build makes the binaries of the product.
func build(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	command := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "./cmd/api", "./cmd/worker")
	command.Dir = root
	command.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GOFLAGS=") }), "GOFLAGS=-buildvcs=false")
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, said)
	}
	return bin
}

// start runs a program until the test ends, and shows what it said if the test
// failed. env nil is this process's; otherwise it has nothing else.
func start(t *testing.T, env []string, name string, args ...string) {
	t.Helper()
	var said bytes.Buffer
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	command := exec.CommandContext(ctx, name, args...)
	command.Env, command.Stdout, command.Stderr = env, &said, &said
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 15 * time.Second
	command.SysProcAttr = diesWithParent()
	started, ended := make(chan error), make(chan error, 1)
	go attend(command, started, ended)
	if err := <-started; err != nil {
		stop()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		err := <-ended
		if t.Failed() {
			t.Logf("%s: %v\n%s", filepath.Base(name), err, &said)
		}
	})
}

// attend starts a command and keeps its thread until that has ended: the kernel ends
// the command when the thread that started it goes away.
func attend(command *exec.Cmd, started, ended chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := command.Start()
	if started <- err; err == nil {
		ended <- command.Wait()
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func dial(ctx context.Context, port string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:"+port)
	if err == nil {
		err = conn.Close()
	}
	return err
}

// answers waits until ask succeeds.
func answers(t *testing.T, what string, ask func() error) {
	t.Helper()
	ticker, deadline := time.NewTicker(50*time.Millisecond), time.NewTimer(30*time.Second)
	defer ticker.Stop()
	defer deadline.Stop()
	for err := ask(); err != nil; err = ask() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("%s does not answer: %v", what, err)
		}
	}
}

var client = http.Client{Timeout: 40 * time.Second}

func get(t *testing.T, url string, to io.Writer) error {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, response.Body)
	err = errors.Join(err, response.Body.Close())
	if response.StatusCode != http.StatusOK {
		err = errors.Join(err, fmt.Errorf("%s: %s", url, response.Status))
	}
	return err
}

func post(t *testing.T, url, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// collect adds the series of a page of metrics, as Prometheus stores them.
func collect(t *testing.T, url string, offered map[string][]string) {
	t.Helper()
	var page bytes.Buffer
	if err := get(t, url, &page); err != nil {
		t.Fatal(err)
	}
	decoder := expfmt.NewTextParser(model.UTF8Validation)
	families, err := decoder.TextToMetricFamilies(bufio.NewReader(&page))
	if err != nil {
		t.Fatal(err)
	}
	for name, family := range families {
		var names []string
		for _, metric := range family.Metric {
			for _, label := range metric.Label {
				names = append(names, label.GetName())
			}
		}
		slices.Sort(names)
		names = slices.Compact(names)
		offered[name] = names
		if family.GetType() == dto.MetricType_HISTOGRAM {
			offered[name+"_sum"], offered[name+"_count"] = names, names
			offered[name+"_bucket"] = append([]string{"le"}, names...)
		}
	}
}
