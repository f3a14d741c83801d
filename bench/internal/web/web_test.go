package web

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tandemq/tandem/bench/internal/work"
)

func TestTheBareServerAnswersTheLoad(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Bare(ctx, listener) }()
	result := loaded(t, listener.Addr().String(), 200)
	if result.err != nil || result.Jobs != 200 || result.P50Ms <= 0 || result.P99Ms < result.P50Ms {
		t.Errorf("%+v", result)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

type outcome struct {
	work.Result
	err error
}

func loaded(t *testing.T, target string, n int) outcome {
	t.Helper()
	job, err := Load(t.Context(), work.Work{Kind: work.Load, Target: target, Jobs: n, Producers: 4})
	if err != nil {
		t.Fatal(err)
	}
	result, err := job.Run(t.Context())
	if err := job.End(); err != nil {
		t.Error(err)
	}
	return outcome{result, err}
}

func TestAnswersOtherThan202FailTheLoad(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+Key {
			t.Errorf("authorization %q", r.Header.Get("Authorization"))
		}
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(map[bool]int{true: 503, false: 202}[asked.Add(1)%10 == 0])
	}))
	defer server.Close()
	got := loaded(t, strings.TrimPrefix(server.URL, "http://"), 100)
	if got.err == nil || got.Failed != 10 || asked.Load() != 100 {
		t.Errorf("%+v after %d requests", got, asked.Load())
	}
}

func TestAnAnswerIsReadToItsEnd(t *testing.T) {
	tests := map[string]struct {
		text   string
		status int
		rest   string
	}{
		"with a body":      {"HTTP/1.1 202 Accepted\r\nA: b\r\ncontent-length: 3\r\n\r\nabcHTTP", 202, "HTTP"},
		"empty":            {"HTTP/1.1 503 No\r\nContent-Length:0\r\n\r\n", 503, ""},
		"without a length": {"HTTP/1.1 202 Accepted\r\n\r\nabc", 0, ""},
		"cut in its body":  {"HTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\nabc", 0, ""},
		"cut in its head":  {"HTTP/1.1 202 Acc", 0, ""},
		"nonsense":         {"hello\r\n\r\n", 0, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := bufio.NewReader(strings.NewReader(test.text))
			status, err := readAnswer(r)
			if (err != nil) != (test.status == 0) || err == nil && status != test.status {
				t.Fatalf("status %d, %v", status, err)
			}
			rest := make([]byte, r.Buffered())
			if err == nil {
				if _, err := r.Read(rest); len(rest) > 0 && err != nil {
					t.Fatal(err)
				}
				if string(rest) != test.rest {
					t.Errorf("left %q", rest)
				}
			}
		})
	}
}
