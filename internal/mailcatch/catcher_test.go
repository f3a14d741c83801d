package mailcatch_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/mailcatch"
)

// start runs a catcher for the length of the test.
func start(t *testing.T, o mailcatch.Options) *mailcatch.Catcher {
	t.Helper()
	c, err := mailcatch.Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return c
}

func mail(lines ...string) []byte { return []byte(strings.Join(lines, "\r\n") + "\r\n") }

func send(c *mailcatch.Catcher, to string, body []byte) error {
	return smtp.SendMail(c.Addr(), nil, "sender@example.com", []string{to}, body)
}

func mustSend(t *testing.T, c *mailcatch.Catcher, body []byte) {
	t.Helper()
	if err := send(c, "ada@example.com", body); err != nil {
		t.Fatal(err)
	}
}

// caught is the only mail.
func caught(t *testing.T, c *mailcatch.Catcher) *mailcatch.Mail {
	t.Helper()
	mails := c.Mails()
	if len(mails) != 1 {
		t.Fatalf("%d mails, want 1", len(mails))
	}
	return mails[0]
}

func TestListensOnLoopbackOnly(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.com:25", "localhost"} {
		if c, err := mailcatch.Listen(mailcatch.Options{Addr: addr}); err == nil {
			t.Errorf("%s was listened on", addr)
			_ = c.Close()
		}
	}
	for _, addr := range []string{"", "127.0.0.1:0", "localhost:0", "127.9.9.9:0"} {
		c, err := mailcatch.Listen(mailcatch.Options{Addr: addr})
		if err != nil {
			t.Errorf("%q: %v", addr, err)
			continue
		}
		if err := c.Close(); err != nil {
			t.Errorf("%q: %v", addr, err)
		}
	}
}

func TestImplicitTLSNeedsACertificate(t *testing.T) {
	if _, err := mailcatch.Listen(mailcatch.Options{ImplicitTLS: true}); err == nil {
		t.Error("no error")
	}
}

func TestMailIsTakenApart(t *testing.T) {
	c := start(t, mailcatch.Options{})
	mustSend(t, c, mail(
		"From: Ada <ada@example.com>",
		"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=",
		`Content-Type: multipart/mixed; boundary="outer"`, "",
		"--outer",
		`Content-Type: multipart/alternative; boundary="inner"`, "",
		"--inner",
		"Content-Type: text/plain; charset=utf-8",
		"Content-Transfer-Encoding: quoted-printable", "",
		"Sch=C3=B6n: https://example.com/plain?a=3D1.",
		"--inner",
		"Content-Type: text/html; charset=iso-8859-1",
		"Content-Transfer-Encoding: base64", "",
		"PGEgaHJlZj0iaHR0cHM6Ly9leGFtcGxlLmNvbS9odG1sP3g9MSZhbXA7eT0yIj5TY2j2bjwvYT4=",
		"--inner--",
		"--outer",
		`Content-Type: text/csv; name="a.csv"`,
		"Content-Disposition: attachment", "",
		"a,b",
		"--outer--",
	))
	got := caught(t, c)
	want := &mailcatch.Mail{
		ID: 1, From: "sender@example.com", To: []string{"ada@example.com"}, Subject: "Grüße",
		Text:        "Schön: https://example.com/plain?a=1.",
		HTML:        `<a href="https://example.com/html?x=1&amp;y=2">Schön</a>`,
		Links:       []string{"https://example.com/html?x=1&y=2", "https://example.com/plain?a=1"},
		Attachments: []mailcatch.Attachment{{Filename: "a.csv", ContentType: "text/csv", Content: []byte("a,b")}},
		Size:        got.Size, Raw: got.Raw, Header: got.Header, ReceivedAt: got.ReceivedAt,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(got.Raw) != got.Size || got.Header.Get("From") != "Ada <ada@example.com>" || got.ReceivedAt.IsZero() {
		t.Errorf("%+v", got)
	}
}

func TestOddMailIsKeptWithItsProblem(t *testing.T) {
	var deep strings.Builder
	for i := range 20 {
		fmt.Fprintf(&deep, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	cases := map[string][]byte{
		"no header at all":    mail("no header at all"),
		"a part without end":  mail("Content-Type: multipart/mixed; boundary=b", "", "--b", "Content-Type: text/plain", "", "x"),
		"no boundary":         mail("Content-Type: multipart/mixed", "", "x"),
		"bad base64":          mail("Content-Transfer-Encoding: base64", "", "!!!!"),
		"too deep":            []byte(deep.String()),
		"more parts than any": mail("Content-Type: multipart/mixed; boundary=b", "", strings.Repeat("--b\r\n\r\nx\r\n", 200)+"--b--"),
	}
	for name, body := range cases {
		t.Run(name, func(t *testing.T) {
			c := start(t, mailcatch.Options{})
			mustSend(t, c, body)
			if got := caught(t, c); got.Problem == "" || got.Size == 0 {
				t.Errorf("problem %q, size %d", got.Problem, got.Size)
			}
		})
	}
}

func TestOldestMailMakesRoom(t *testing.T) {
	c := start(t, mailcatch.Options{Keep: 2})
	for i := range 4 {
		mustSend(t, c, mail(fmt.Sprintf("Subject: %d", i), "", "x"))
	}
	if diff := cmp.Diff([]string{"3", "2"}, subjects(c)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, found := c.Mail(1); found {
		t.Error("the first is still there")
	}
	if m, found := c.Mail(4); !found || m.Subject != "3" {
		t.Errorf("the last is %+v", m)
	}
}

func TestBytesOfAllMailsAreBounded(t *testing.T) {
	c := start(t, mailcatch.Options{MaxTotal: 5000})
	for i := range 4 {
		mustSend(t, c, mail(fmt.Sprintf("Subject: %d", i), "", strings.Repeat("0123456789\r\n", 170)))
	}
	if diff := cmp.Diff([]string{"3", "2"}, subjects(c)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func subjects(c *mailcatch.Catcher) []string {
	var all []string
	for _, m := range c.Mails() {
		all = append(all, m.Subject)
	}
	return all
}

func TestMailThatIsTooLargeIsRefused(t *testing.T) {
	c := start(t, mailcatch.Options{MaxBytes: 1000})
	err := send(c, "ada@example.com", mail("Subject: x", "", strings.Repeat("0123456789\r\n", 200)))
	if reply, ok := errors.AsType[*textproto.Error](err); !ok || reply.Code != 552 {
		t.Errorf("got %v, want 552", err)
	}
	if n := len(c.Mails()); n != 0 {
		t.Errorf("%d mails are kept", n)
	}
}

func TestRefusalsAreAnswered(t *testing.T) {
	c := start(t, mailcatch.Options{Refuse: func(to string) *mailcatch.Refusal {
		if to == "busy@example.com" {
			return &mailcatch.Refusal{Code: 451, Text: "come back later"}
		}
		return nil
	}})
	err := send(c, "busy@example.com", mail("Subject: x", "", "x"))
	if reply, ok := errors.AsType[*textproto.Error](err); !ok || reply.Code != 451 || !strings.Contains(reply.Msg, "come back later") {
		t.Errorf("got %v", err)
	}
	mustSend(t, c, mail("Subject: x", "", "x"))
}

func TestSigningInIsAskedForWhenThereIsAPassword(t *testing.T) {
	c := start(t, mailcatch.Options{Username: "ada", Password: "secret"})
	if err := send(c, "ada@example.com", mail("Subject: x", "", "x")); err == nil {
		t.Error("a stranger's mail was taken")
	}
	host, _, err := net.SplitHostPort(c.Addr())
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]bool{"secret": true, "wrong": false} {
		err := smtp.SendMail(c.Addr(), smtp.PlainAuth("", "ada", password, host), "a@example.com", []string{"b@example.com"}, mail("Subject: x", "", "x"))
		if (err == nil) != want {
			t.Errorf("password %q: %v", password, err)
		}
	}
	if got := caught(t, c).User; got != "ada" {
		t.Errorf("signed in as %q", got)
	}
}

func TestWaitReturnsWhenTheMailsAreThere(t *testing.T) {
	c := start(t, mailcatch.Options{})
	sent := make(chan error, 1)
	go func() {
		first := send(c, "a@example.com", mail("Subject: 1", "", "x"))
		sent <- errors.Join(first, send(c, "a@example.com", mail("Subject: 2", "", "x")))
	}()
	mails, err := c.Wait(t.Context(), 2)
	if err != nil || len(mails) != 2 || mails[0].Subject != "2" {
		t.Errorf("%d mails, %v", len(mails), err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	c := start(t, mailcatch.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Wait(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestClearForgetsAndKeepsCounting(t *testing.T) {
	c := start(t, mailcatch.Options{})
	mustSend(t, c, mail("Subject: 1", "", "x"))
	c.Clear()
	if n := len(c.Mails()); n != 0 {
		t.Errorf("%d mails are left", n)
	}
	mustSend(t, c, mail("Subject: 2", "", "x"))
	if got := caught(t, c); got.ID != 2 {
		t.Errorf("the id is %d, want 2", got.ID)
	}
}

func TestStoppingHangsUpOnClients(t *testing.T) {
	c, err := mailcatch.Listen(mailcatch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	client, err := smtp.Dial(c.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := client.Noop(); err == nil {
		t.Error("the connection is still open")
	}
}
