package redistest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheServerIsFoundInOrder(t *testing.T) {
	given := Embedded(t)
	lends := func(context.Context) (string, func() error, error) {
		return given.URL, func() error { return nil }, nil
	}
	fails := func(context.Context) (string, func() error, error) {
		return "", nil, errors.New("no containers here")
	}
	tests := map[string]struct {
		url       string
		strict    string
		providers []Provider
		addr      string // expected; empty is any
		real      bool
		err       string // expected part
	}{
		"a given address":                {url: given.URL, addr: given.Addr, real: true},
		"a given address that is wrong":  {url: "http://example.com", err: "the given Redis address"},
		"a given address that is silent": {url: "redis://127.0.0.1:1", err: "does not answer"},
		"a provider":                     {providers: []Provider{fails, lends}, addr: given.Addr, real: true},
		"nothing but the embedded one":   {providers: []Provider{fails}},
		"nothing, and strict":            {strict: "1", err: "forbids the embedded one"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PATH", "")
			t.Setenv("TEST_REDIS_URL", test.url)
			t.Setenv("REDISTEST_STRICT", test.strict)
			server, stop, err := find(t.Context(), test.providers)
			if stop != nil {
				defer stop()
			}
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want one with %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if server.Real != test.real || test.addr != "" && server.Addr != test.addr {
				t.Errorf("found %+v, want real %v at %q", server, test.real, test.addr)
			}
		})
	}
}

func TestARedisServerThatRefusesItsConfigurationSaysWhy(t *testing.T) {
	needBinary(t)
	_, err := launch(t.Context(), settings{dir: t.TempDir(), lines: []string{"nonsense yes"}})
	if err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("got %v", err)
	}
}

func TestPrefixKeepsTheNameReadable(t *testing.T) {
	got := newPrefix("TestAdd/with a_Delay")
	if name, random, ok := strings.Cut(got, "-delay-"); !ok || name != "testadd-with-a" || len(random) != 10 {
		t.Errorf("got %q", got)
	}
}

func TestRequestsAreReadToTheirEnd(t *testing.T) {
	stream := "*2\r\n$4\r\nECHO\r\n$5\r\na\r\nb\n\r\nPING\r\n*0\r\n"
	in := bufio.NewReader(strings.NewReader(stream))
	var all []byte
	for _, want := range [][]string{{"ECHO", "a\r\nb\n"}, {"PING"}, nil} {
		args, raw, err := readRequest(in)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, args); diff != "" {
			t.Errorf("words (-want +got):\n%s", diff)
		}
		all = append(all, raw...)
	}
	if diff := cmp.Diff(stream, string(all)); diff != "" {
		t.Errorf("bytes (-want +got):\n%s", diff)
	}
}

func FuzzReplyIsReadToItsEnd(f *testing.F) {
	for _, seed := range []string{
		"+OK\r\n", "-ERR no\r\n", ":1\r\n", "$-1\r\n", "$0\r\n\r\n", "$3\r\na\r\n\r\n", "*-1\r\n", "*0\r\n",
		"*2\r\n$1\r\na\r\n*1\r\n:5\r\n", "%1\r\n+a\r\n+b\r\n", "$99\r\nshort\r\n", "*x\r\n", "?\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		in := bufio.NewReader(bytes.NewReader(stream))
		raw, err := readReply(in)
		if err != nil {
			return
		}
		if !bytes.HasPrefix(stream, raw) {
			t.Errorf("%q was read as %q", stream, raw)
		}
		again, err := readReply(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil || !bytes.Equal(again, raw) {
			t.Errorf("%q does not read back: %q, %v", raw, again, err)
		}
	})
}
