package config

import (
	"fmt"
	"io"
	"log/slog"
)

// LogValue shows every variable, secrets as [set] and URLs without password.
func (c API) LogValue() slog.Value { return group(&c) }

// LogValue shows every variable, secrets as [set] and URLs without password.
func (c Worker) LogValue() slog.Value { return group(&c) }

// LogValue shows every variable, secrets as [set] and URLs without password.
func (c Tandem) LogValue() slog.Value {
	return slog.GroupValue(slog.Any("api", c.API), slog.Any("worker", c.Worker))
}

func group(spec any) slog.Value {
	var attrs []slog.Attr
	for _, s := range settings(spec) {
		attrs = append(attrs, slog.String(s.name, s.value))
	}
	return slog.GroupValue(attrs...)
}

// Dump writes NAME=value lines of the configuration that spec points to (an
// API, Worker or Tandem), secrets as in LogValue.
func Dump(w io.Writer, spec any) error {
	for _, s := range settings(spec) {
		if _, err := fmt.Fprintf(w, "%s=%s\n", s.name, s.value); err != nil {
			return err
		}
	}
	return nil
}
