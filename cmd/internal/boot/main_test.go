package boot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/config"
)

// start runs Main with these arguments and returns the exit code and what it
// wrote.
func start(t *testing.T, p Program, lookup config.Lookup, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	if lookup == nil {
		lookup = func(string) (string, bool) { return "", false }
	}
	var out, err bytes.Buffer
	code = Main(t.Context(), p, Env{Args: args, Lookup: lookup, Stdout: &out, Stderr: &err,
		Exit: func(code int) { t.Errorf("the process was ended with %d", code) }})
	return code, out.String(), err.String()
}

func TestExitCodes(t *testing.T) {
	misconfigured := &config.Error{Problems: []config.Problem{{Variable: "PORT", Reason: "must be a whole number"}}}
	tests := []struct {
		name   string
		err    error
		args   []string
		code   int
		stderr string
	}{
		{"clean", nil, nil, 0, ""},
		{"failure", errors.New("dial redis://u:hunter2@h: refused"), nil, 1, "api: dial redis://u:[redacted]@h: refused\n"},
		{"configuration", fmt.Errorf("start: %w", misconfigured), nil, 2, "api: start: the configuration has 1 mistake:\n  PORT must be a whole number\n"},
		{"unknown flag", nil, []string{"--colour"}, 2, "api: wrong usage: flag provided but not defined: -colour; see api --help\n"},
		{"unknown command", nil, []string{"dance"}, 2, "api: wrong usage: there is no command \"dance\"; see api --help\n"},
		{"cancelled without a signal", context.Canceled, nil, 1, "api: context canceled\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := Program{Name: "api", Run: func(context.Context, Env) error { return test.err }}
			code, stdout, stderr := start(t, p, nil, test.args...)
			if code != test.code || stdout != "" || stderr != test.stderr {
				t.Errorf("exit code %d, want %d; stdout %q; stderr %q", code, test.code, stdout, stderr)
			}
		})
	}
}

func TestASignalIsACleanEnd(t *testing.T) {
	for name, result := range map[string]func(context.Context) error{
		"returns nil":         func(context.Context) error { return nil },
		"returns its context": func(ctx context.Context) error { return fmt.Errorf("serve: %w", ctx.Err()) },
	} {
		t.Run(name, func(t *testing.T) {
			p := Program{Name: "api", Run: func(ctx context.Context, _ Env) error {
				raise(t, syscall.SIGTERM)
				<-ctx.Done()
				return result(ctx)
			}}
			if code, _, stderr := start(t, p, nil); code != 0 || stderr != "" {
				t.Errorf("exit code %d, stderr %q", code, stderr)
			}
		})
	}
}

func TestASecondSignalEndsTheProcess(t *testing.T) {
	ended := make(chan struct{})
	p := Program{Name: "api", Run: func(ctx context.Context, _ Env) error {
		raise(t, syscall.SIGTERM)
		<-ctx.Done()
		raise(t, syscall.SIGTERM)
		await(t, "the process ends", ended)
		return nil
	}}
	var code int
	Main(t.Context(), p, Env{Lookup: os.LookupEnv, Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{},
		Exit: func(c int) { code = c; close(ended) }})
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
}

func TestHelpAndVersionGoToStandardOutput(t *testing.T) {
	p := Program{
		Name: "tandem", Summary: "Everything in one process.",
		Run:      func(context.Context, Env) error { t.Error("the program ran"); return nil },
		Commands: []Command{{Name: "demo", Summary: "send some jobs"}},
	}
	for _, args := range [][]string{{"--help"}, {"-h"}, {"help"}} {
		code, stdout, stderr := start(t, p, nil, args...)
		for _, words := range []string{"Everything in one process.", "tandem healthcheck", "tandem demo", "send some jobs", "--version", "docs/configuration.md"} {
			if !strings.Contains(stdout, words) {
				t.Errorf("%v: %q is missing in %s", args, words, stdout)
			}
		}
		if code != 0 || stderr != "" {
			t.Errorf("%v: exit code %d, stderr %q", args, code, stderr)
		}
	}
	for _, args := range [][]string{{"--version"}, {"version"}} {
		if code, stdout, _ := start(t, p, nil, args...); code != 0 || !strings.HasPrefix(stdout, "tandem ") || strings.Count(stdout, "\n") != 1 {
			t.Errorf("%v: exit code %d, %q", args, code, stdout)
		}
	}
}

func TestACommandGetsItsOwnArguments(t *testing.T) {
	var got []string
	p := Program{Name: "tandem", Commands: []Command{{Name: "demo", Run: func(_ context.Context, env Env) error {
		got = env.Args
		return fmt.Errorf("demo: %w", ErrUsage)
	}}}}
	if code, _, _ := start(t, p, nil, "demo", "--fast", "x"); code != 2 {
		t.Errorf("exit code %d, want that of a wrong usage", code)
	}
	if diff := cmp.Diff([]string{"--fast", "x"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestHealthcheckAsksTheRunningProgram(t *testing.T) {
	health := NewHealth(HealthOptions{})
	health.Add(Check{Name: "redis", Required: true, Func: fine})
	base, stop := serve(t, ServerOptions{Handler: health.Handler(true)})
	address := strings.TrimPrefix(base, "http://")
	p := Program{Name: "api", OpsAddr: ":1"}
	env := func(name string) (string, bool) { return address, name == "OPS_ADDR" }

	if code, stdout, stderr := start(t, p, env, "healthcheck"); code != 1 || stdout != "[+] redis ok\nstarting\n" || !strings.Contains(stderr, "503") {
		t.Errorf("while it starts: exit code %d, %q, %q", code, stdout, stderr)
	}
	health.Serving()
	hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	health.Add(Check{Name: "storage", Timeout: time.Hour, Func: hangs}) // readiness is without it
	if code, stdout, stderr := start(t, p, env, "healthcheck"); code != 0 || stdout != "ok\n" || stderr != "" {
		t.Errorf("while it serves: exit code %d, %q, %q", code, stdout, stderr)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if code, _, stderr := start(t, p, env, "healthcheck"); code != 1 || stderr == "" {
		t.Errorf("after its end: exit code %d, %q", code, stderr)
	}
	if code, _, _ := start(t, p, nil, "healthcheck"); code != 1 {
		t.Errorf("nobody listens on the default: exit code %d", code)
	}
}

func TestWhereAListenerIsReached(t *testing.T) {
	for address, want := range map[string]string{
		":8081": "127.0.0.1:8081", "0.0.0.0:1": "127.0.0.1:1", "[::]:1": "[::1]:1", "10.0.0.7:1": "10.0.0.7:1", "localhost:1": "localhost:1",
	} {
		if got, err := dialable(address); got != want || err != nil {
			t.Errorf("%s: %s, %v; want %s", address, got, err, want)
		}
	}
	if _, err := dialable("nowhere"); err == nil {
		t.Error("an address without a port was accepted")
	}
}

func TestTheVersionIsTheLinkersOrTheModules(t *testing.T) {
	info := &debug.BuildInfo{GoVersion: "go1.26", Main: debug.Module{Version: "v0.9.0"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.time", Value: "2026-03-01T12:00:00Z"}, {Key: "vcs.modified", Value: "true"},
	}}
	want := Version{Version: "v1.0.0", Commit: "0123456789abcdef0123", Time: "2026-03-01T12:00:00Z", Modified: true, Go: "go1.26"}
	if diff := cmp.Diff(want, versionOf("v1.0.0", info)); diff != "" {
		t.Error(diff)
	}
	for got, want := range map[string]string{
		versionOf("v1.0.0", info).String():           "v1.0.0 0123456789ab (modified) go1.26",
		versionOf("", info).Version:                  "v0.9.0",
		versionOf("", &debug.BuildInfo{}).Version:    "(devel)",
		versionOf("v1", &debug.BuildInfo{}).String(): "v1",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestProgramsThatStartTogetherShareOneKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	keys := make([]string, 8)
	var programs sync.WaitGroup
	for n := range keys {
		programs.Go(func() {
			var err error
			if keys[n], err = SharedKey(dir, "url-signing.key"); err != nil {
				t.Error(err)
			}
		})
	}
	programs.Wait()
	for _, key := range keys {
		if key != keys[0] || len(key) < 32 {
			t.Errorf("key %q is not %q, or too short", key, keys[0])
		}
	}
	info, err := os.Stat(filepath.Join(dir, "url-signing.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 600", info.Mode(), err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("%d files are left, %v", len(files), err)
	}
	if err := os.WriteFile(filepath.Join(dir, "empty"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := SharedKey(dir, "empty"); err == nil {
		t.Error("an empty key was accepted")
	}
}
