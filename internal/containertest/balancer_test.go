//go:build containers

package containertest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"
)

// balancer stands before several processes of the api as a Service of Kubernetes
// does: whoever says that it is ready gets the next request, and nothing is sent
// twice. It learns of a change when it asks again, not at once.
type balancer struct {
	mu    sync.Mutex
	ready []upstream
	turn  int
}

// upstream is one process of the api: where it answers, and where it says how it is.
type upstream struct{ api, ops *url.URL }

// asking is how often the balancer asks who is ready. The api has to go on
// answering for longer than that (DRAIN_DELAY).
const asking = 100 * time.Millisecond

// balance starts a balancer over these containers and returns its address.
func balance(t *testing.T, containers ...*testcontainers.DockerContainer) (address string) {
	t.Helper()
	var all []upstream
	for _, c := range containers {
		all = append(all, upstream{parsed(t, endpoint(t, c, "8080/tcp")), parsed(t, endpoint(t, c, "8081/tcp"))})
	}
	b := &balancer{}
	b.look(t.Context(), all)
	ctx, cancel := context.WithCancel(t.Context())
	var looking sync.WaitGroup
	looking.Go(func() { b.watch(ctx, all) })
	server := httptest.NewServer(&httputil.ReverseProxy{Rewrite: b.route})
	t.Cleanup(func() {
		server.Close()
		cancel()
		looking.Wait()
	})
	return server.URL
}

func (b *balancer) watch(ctx context.Context, all []upstream) {
	ticker := time.NewTicker(asking)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			b.look(ctx, all)
		}
	}
}

func (b *balancer) look(ctx context.Context, all []upstream) {
	ready := slices.DeleteFunc(slices.Clone(all), func(u upstream) bool { return !u.isReady(ctx) })
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ready = ready
}

func (u upstream) isReady(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.ops.JoinPath("/readyz").String(), nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	return response.Body.Close() == nil && response.StatusCode == http.StatusOK
}

// route sends a request to the next one in turn. With nobody ready it fails, and
// whoever sent it sees a 502.
func (b *balancer) route(r *httputil.ProxyRequest) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.ready) == 0 {
		r.Out.URL = &url.URL{Scheme: "http", Host: "nobody-is-ready.invalid"}
		return
	}
	b.turn++
	r.SetURL(b.ready[b.turn%len(b.ready)].api)
}

func parsed(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// The api is replaced under load: the new one answers, then the old one is told
// to stop. No request fails meanwhile, and every job that was acknowledged by
// either of them is done.
func TestAnUpdateOfTheAPIRefusesNobody(t *testing.T) {
	s := newStack(t)
	s.worker(t, "w1")
	old := s.api
	replacement := s.startAPI(t, "api-2")
	s.client.api = balance(t, old, replacement)

	load, end := context.WithCancel(t.Context())
	var mails []string
	var producer sync.WaitGroup
	producer.Go(func() { mails = s.produce(load, t) })
	s.accepts(t, old, 1)
	s.accepts(t, replacement, 1)
	stop(t, old)
	s.accepts(t, replacement, 100)
	end()
	producer.Wait()

	t.Logf("%d mails during the update", len(mails))
	s.completed(t, mails)
}

// accepts waits until one of the processes has acknowledged so many jobs.
func (s *stack) accepts(t *testing.T, c *testcontainers.DockerContainer, jobs float64) {
	t.Helper()
	metrics := endpoint(t, c, "8081/tcp") + "/metrics"
	eventually(t, 60*time.Second, fmt.Sprintf("%v jobs accepted", jobs), func(ctx context.Context) error {
		var text []byte
		if err := s.client.ask(ctx, http.MethodGet, metrics, "", http.StatusOK, &text); err != nil {
			return err
		}
		found := acceptedMails.FindSubmatch(text)
		if found == nil {
			return fmt.Errorf("%s has no count of accepted mails", metrics)
		}
		n, err := strconv.ParseFloat(string(found[1]), 64)
		if err == nil && n < jobs {
			err = fmt.Errorf("there are %v", n)
		}
		return err
	})
}

var acceptedMails = regexp.MustCompile(`(?m)^jobs_accepted_total\{queue="email"\} (\S+)$`)
