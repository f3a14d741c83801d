package redistest_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/redistest"
)

func TestProxyCutsTheReplyAfterTheWorkIsDone(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]int{"nothing arrives": 0, "half a reply arrives": 2} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Shared(t)
			proxy := redistest.Proxy(t, server)
			client, key := proxy.Client(t), server.Prefix(t)
			proxy.OnRequest(redistest.Nth(2, "incr", redistest.CutReply(keep)))
			must(t, client.Incr(t.Context(), key).Err())
			if n, err := client.Incr(t.Context(), key).Result(); err == nil {
				t.Errorf("the cut reply arrived: %d", n)
			}
			if n, err := client.Get(t.Context(), key).Int(); err != nil || n != 2 {
				t.Errorf("the server counts %d, %v; want 2, the lost one included", n, err)
			}
			if proxy.Cuts() != 1 {
				t.Errorf("%d cuts, want 1", proxy.Cuts())
			}
			if want := len(":2\r\n"); proxy.Whole() != want {
				t.Errorf("the whole reply had %d bytes, want %d", proxy.Whole(), want)
			}
		})
	}
}

func TestProxyDropsARequestBeforeTheServerSeesIt(t *testing.T) {
	t.Parallel()
	server := redistest.Shared(t)
	proxy := redistest.Proxy(t, server)
	client, key := proxy.Client(t), server.Prefix(t)
	proxy.OnRequest(redistest.Nth(1, "INCR", redistest.DropRequest()))
	if err := client.Incr(t.Context(), key).Err(); err == nil {
		t.Error("a dropped request was answered")
	}
	if n := server.Client(t).Exists(t.Context(), key).Val(); n != 0 {
		t.Error("the server saw a dropped request")
	}
}

func TestProxyCutsInsideAPipeline(t *testing.T) {
	t.Parallel()
	server := redistest.Shared(t)
	proxy := redistest.Proxy(t, server)
	key := server.Prefix(t)
	proxy.OnRequest(redistest.Nth(3, "INCR", redistest.CutReply(1)))
	conn, err := net.Dial("tcp", proxy.Addr)
	must(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, strings.Repeat("INCR "+key+"\r\n", 3))
	must(t, err)
	got, err := io.ReadAll(conn)
	must(t, err)
	if want := ":1\r\n:2\r\n:"; string(got) != want {
		t.Errorf("arrived: %q, want %q", got, want)
	}
}

func TestProxyStallsAndFlows(t *testing.T) {
	t.Parallel()
	proxy := redistest.Proxy(t, redistest.Shared(t))
	client := proxy.Client(t)
	must(t, client.Ping(t.Context()).Err())
	proxy.Stall()
	proxy.Stall()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := client.Ping(ctx).Err(); !timedOut(err) {
		t.Errorf("ping through a stalled proxy: %v, want a timeout", err)
	}
	proxy.Flow()
	proxy.Flow()
	must(t, client.Ping(t.Context()).Err())
}

func TestProxyEndsWhileStalled(t *testing.T) {
	t.Parallel()
	proxy := redistest.Proxy(t, redistest.Shared(t))
	client := proxy.Client(t)
	must(t, client.Ping(t.Context()).Err())
	proxy.Stall()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := client.Ping(ctx).Err(); err == nil {
		t.Error("a stalled proxy let a ping through")
	}
}

func TestProxyClosesAllConnections(t *testing.T) {
	t.Parallel()
	proxy := redistest.Proxy(t, redistest.Shared(t))
	conn := proxy.Client(t).Conn()
	defer conn.Close()
	must(t, conn.Ping(t.Context()).Err())
	proxy.CloseAll()
	if err := conn.Ping(t.Context()).Err(); err == nil {
		t.Error("the connection is still there")
	}
	must(t, proxy.Client(t).Ping(t.Context()).Err())
}
