package boot

import (
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/lmittmann/tint"
	"github.com/mattn/go-isatty"

	"github.com/tandemq/tandem/internal/config"
)

// NewLogger returns a logger that writes to w as the configuration says:
// coloured text on a terminal, JSON lines elsewhere. What Redact finds never
// gets out. Warnings and errors are written when the call that logs them returns.
func NewLogger(w io.Writer, c config.Process) *slog.Logger {
	logger := newLogger(w, c, isTerminal(w))
	if lines, ok := w.(*gatherer); ok {
		return slog.New(prompt{logger.Handler(), lines})
	}
	return logger
}

func newLogger(w io.Writer, c config.Process, terminal bool) *slog.Logger {
	level := c.LogLevel.Level
	if c.LogFormat == config.LogJSON || (c.LogFormat != config.LogText && !terminal) {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: Redact}))
	}
	return slog.New(tint.NewTextHandler(w, &tint.Options{
		Level: level, TimeFormat: time.TimeOnly, NoColor: bool(c.NoColor) || !terminal, ReplaceAttr: Redact,
	}))
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}

const redacted = "[redacted]"

// sensitive are the names of attributes whose values stay out of the logs.
var sensitive = map[string]bool{
	"password": true, "passwd": true, "secret": true, "token": true, "authorization": true, "cookie": true,
	"set_cookie": true, "api_key": true, "apikey": true, "x_api_key": true, "signature": true, "credentials": true,
	"email": true, "to": true, "address": true, "recipient": true,
}

// urlPassword finds the user part of a URL that has a password.
var urlPassword = regexp.MustCompile(`(://[^/\s:@]*):[^/\s@]+@`)

// Redact is a ReplaceAttr for slog handlers: it hides attributes named like a
// secret or an address, and passwords in URLs wherever they stand, errors
// included. Durations become readable. It is a second line: what must not be
// logged should not be handed to a logger.
func Redact(_ []string, a slog.Attr) slog.Attr {
	if sensitive[plainName(a.Key)] {
		return slog.String(a.Key, redacted)
	}
	switch a.Value.Kind() {
	case slog.KindDuration:
		return slog.String(a.Key, a.Value.Duration().String())
	case slog.KindString:
		return slog.String(a.Key, hidePasswords(a.Value.String()))
	case slog.KindAny:
		if err, ok := a.Value.Any().(error); ok {
			return slog.String(a.Key, hidePasswords(err.Error()))
		}
	}
	return a
}

// plainName is the name of an attribute in small letters, with underscores.
// Nearly all are written so.
func plainName(key string) string {
	if strings.IndexFunc(key, func(r rune) bool { return r == '-' || r < 'a' && r != '_' || r > 'z' }) < 0 {
		return key
	}
	return strings.ReplaceAll(strings.ToLower(key), "-", "_")
}

func hidePasswords(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	return urlPassword.ReplaceAllString(text, "$1:"+redacted+"@")
}
