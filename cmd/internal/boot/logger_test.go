package boot

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/config"
)

func TestTheLooksOfALogLine(t *testing.T) {
	tests := []struct {
		name     string
		config   config.Process
		terminal bool
		want     string // "json", "plain" or "coloured"
	}{
		{"auto on a terminal", config.Process{LogFormat: config.LogAuto}, true, "coloured"},
		{"auto elsewhere", config.Process{LogFormat: config.LogAuto}, false, "json"},
		{"unset elsewhere", config.Process{}, false, "json"},
		{"json on a terminal", config.Process{LogFormat: config.LogJSON}, true, "json"},
		{"text elsewhere", config.Process{LogFormat: config.LogText}, false, "plain"},
		{"no colour", config.Process{LogFormat: config.LogAuto, NoColor: true}, true, "plain"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			newLogger(&b, test.config, test.terminal).Info("hello", "queue", "email")
			got := "plain"
			switch {
			case strings.HasPrefix(b.String(), "{"):
				got = "json"
			case strings.Contains(b.String(), "\x1b["):
				got = "coloured"
			}
			if got != test.want {
				t.Errorf("the line is %s, want %s: %q", got, test.want, b.String())
			}
		})
	}
}

func TestTheLevelIsHonoured(t *testing.T) {
	var b bytes.Buffer
	logger := NewLogger(&b, config.Process{LogLevel: config.Level{Level: slog.LevelWarn}})
	logger.Info("hidden")
	logger.Warn("shown")
	if text := b.String(); strings.Contains(text, "hidden") || !strings.Contains(text, "shown") {
		t.Errorf("logged %q", text)
	}
}

func TestSecretsDoNotReachTheLog(t *testing.T) {
	const secret = "hunter2"
	for _, format := range []config.LogFormat{config.LogJSON, config.LogText} {
		var b bytes.Buffer
		logger := newLogger(&b, config.Process{LogFormat: format}, false)
		err := errors.New("dial redis://user:" + secret + "@host:6379: refused")
		logger.Info("x", "password", secret, "X-API-Key", secret, "Authorization", "Bearer "+secret, "email", secret+"@example.com",
			"error", err, "wrapped", fmt.Errorf("start: %w", err), "url", "postgres://u:"+secret+"@h/d", "duration", 1500*time.Millisecond,
			slog.Group("request", slog.String("cookie", secret)))
		if strings.Contains(b.String(), secret) {
			t.Errorf("%s: a secret is logged: %s", format, &b)
		}
		for _, useful := range []string{"user:[redacted]@host:6379: refused", "1.5s", "start: "} {
			if !strings.Contains(b.String(), useful) {
				t.Errorf("%s: %q is missing: %s", format, useful, &b)
			}
		}
	}
}
