package email_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/email"
)

func TestParseServer(t *testing.T) {
	base := email.Server{Host: "mail.example.com", Port: 587, TLS: email.TLSMandatory,
		Timeout: 10 * time.Second, Final: 10 * time.Minute, Idle: 30 * time.Second, MaxMessages: 100, MaxConns: 5}
	with := func(change func(*email.Server)) email.Server {
		s := base
		change(&s)
		return s
	}
	cases := map[string]email.Server{
		"smtp://mail.example.com":          base,
		"smtp://mail.example.com:2525":     with(func(s *email.Server) { s.Port = 2525 }),
		"smtps://mail.example.com":         with(func(s *email.Server) { s.Port, s.TLS = 465, email.TLSImplicit }),
		"smtp://mail.example.com?tls=none": with(func(s *email.Server) { s.Port, s.TLS = 25, email.TLSNone }),
		"smtp://127.0.0.1:1025": with(func(s *email.Server) {
			s.Host, s.Port, s.TLS = "127.0.0.1", 1025, email.TLSStartTLS
		}),
		"smtp://[::1]:1025?tls=mandatory": with(func(s *email.Server) { s.Host, s.Port = "::1", 1025 }),
		"smtp://u%40x:p%2Fq@mail.example.com/?tls=starttls&timeout=3s&final=2m&idle=0s&messages=7&connections=2&helo=app.example.com": with(func(s *email.Server) {
			s.Username, s.Password, s.TLS, s.Helo = "u@x", "p/q", email.TLSStartTLS, "app.example.com"
			s.Timeout, s.Final, s.Idle, s.MaxMessages, s.MaxConns = 3*time.Second, 2*time.Minute, 0, 7, 2
		}),
	}
	for url, want := range cases {
		t.Run(url, func(t *testing.T) {
			got, err := email.ParseServer(url)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseServerRefuses(t *testing.T) {
	cases := map[string]string{
		"":                                     "must start with",
		"http://mail.example.com":              "must start with",
		"smtp://":                              "no host",
		"smtp://u:hunter2@mail.example.com/x":  "path",
		"smtp://u:hunter2@h:x":                 "cannot be parsed",
		"smtp://u:hunter2%zz@h":                "cannot be parsed",
		"smtp://h:70000":                       "port",
		"smtp://h?tls=maybe":                   "tls",
		"smtps://h?tls=none":                   "tls",
		"smtp://u:hunter2@h?tls=none":          "in the clear",
		"smtp://:hunter2@h":                    "no user name",
		"smtp://h?timeout=0s":                  "timeout",
		"smtp://h?timeout=soon":                "timeout",
		"smtp://h?final=later":                 "final",
		"smtp://h?idle=-1s":                    "idle",
		"smtp://h?messages=0":                  "messages",
		"smtp://h?connections=many":            "connections",
		"smtp://h?helo=a%0d%0ab":               "helo",
		"smtp://h?tsl=none":                    "unknown parameter",
		"smtp://u:hunter2@h?tls=%zz":           "parameters",
		"smtp://u:hunter2@h?tls=starttls#frag": "path",
	}
	for url, want := range cases {
		t.Run(url, func(t *testing.T) {
			_, err := email.ParseServer(url)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("got %v, want something about %q", err, want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error has the password: %v", err)
			}
		})
	}
}
