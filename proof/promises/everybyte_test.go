package promises_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs/admin"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/proof/inject"
	"github.com/tandemq/tandem/proof/promises"
	"github.com/tandemq/tandem/proof/storm"
)

// Each script of the queue is executed, its reply is lost from some byte on, and
// what was asked for is sent again: afterwards the queue is as it is when nothing
// was lost, down to its events. In the small form some of the bytes are tried, as
// the seed has it; in the campaign all.
func TestRepliesLostAtEveryByteMakeNoDifference(t *testing.T) {
	t.Parallel()
	var all torn
	t.Run("of", func(t *testing.T) {
		for _, d := range deeds() {
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				newDesk(t).tear(t, d, &all)
			})
		}
	})
	for script := range allScripts(t) {
		if !slices.Contains(all.scripts, script) {
			t.Errorf("no reply of %s.lua was lost", script)
		}
	}
	report(t, promises.Row{
		Name: "replies lost at every byte", Goal: "0 that leave a trace",
		Measured: fmt.Sprint(len(all.wrong)), N: all.cuts,
		Of: fmt.Sprintf("replies of %d scripts, lost from another byte on each", len(all.scripts)), Holds: len(all.wrong) == 0 && all.cuts > 0,
	})
}

// torn is what became of the lost replies of all deeds.
type torn struct {
	mu      sync.Mutex // guards the fields below
	cuts    int
	scripts []string
	wrong   []string
}

// allScripts are those that the queue has.
func allScripts(t *testing.T) map[string]bool {
	t.Helper()
	files, err := fs.Glob(os.DirFS(storm.ScriptsDir), "*.lua")
	must(t, err)
	names := map[string]bool{}
	for _, file := range files {
		names[strings.TrimSuffix(file, ".lua")] = true
	}
	return names
}

// desk is a queue of its own behind a proxy that loses one reply when it is told to.
type desk struct {
	client *redis.Client // past the proxy
	proxy  *redistest.TCPProxy
	conn   *redisconn.Conn
	queue  *queue.Queue
	admin  *admin.Queue
	names  map[string]string // scripts by their digest
	keep   int               // bytes that come through of the reply that is lost

	mu     sync.Mutex // guards the fields below
	script string     // whose reply is lost next; "" for none
	skip   int        // how many of its replies come through before that
	lost   chan struct{}
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	server := redistest.Own(t, redistest.Options{})
	proxy := redistest.Proxy(t, server.Server)
	conn := open(t, redisconn.Options{URL: proxy.URL})
	a, err := admin.New(conn, record().Prefix, record().Queue)
	must(t, err)
	names, err := storm.ScriptNames(os.DirFS(storm.ScriptsDir))
	must(t, err)
	d := &desk{client: server.Client(t), proxy: proxy, conn: conn, queue: newQueue(t, conn), admin: a, names: names}
	proxy.OnRequest(d.decide)
	return d
}

// decide is the proxy's rule.
func (d *desk) decide(args []string) redistest.Action {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.script == "" || len(args) < 2 || !strings.EqualFold(args[0], "evalsha") || d.names[args[1]] != d.script {
		return redistest.Forward()
	}
	if d.skip--; d.skip >= 0 {
		return redistest.Forward()
	}
	d.script = ""
	close(d.lost)
	return redistest.CutReply(d.keep)
}

// lose loses the reply to the next call of a script, or to a later one.
func (d *desk) lose(script string, skip int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.script, d.skip = script, skip
}

// whole lets a reply come through to its end.
const whole = 1 << 20

// tear does the deed once with a reply that comes through, and then again for each
// byte at which it can be lost.
func (d *desk) tear(t *testing.T, deed deed, all *torn) {
	t.Helper()
	const times = 2 // the first teaches the server the scripts
	var want string
	for range times {
		want = d.once(t, deed, whole)
	}
	bytes := d.proxy.Whole()
	offsets := offsetsOf(t, bytes)
	for _, keep := range offsets {
		if got := d.once(t, deed, keep); got != want {
			t.Errorf("of %d bytes %d came through:\n%s\nwant\n%s", bytes, keep, got, want)
			all.mu.Lock()
			all.wrong = append(all.wrong, fmt.Sprintf("%s at %d", deed.name, keep))
			all.mu.Unlock()
		}
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.cuts += len(offsets)
	if !slices.Contains(all.scripts, deed.script) {
		all.scripts = append(all.scripts, deed.script)
	}
}

// offsetsOf are the bytes to try of a reply: all of them in the campaign.
func offsetsOf(t *testing.T, bytes int) (offsets []int) {
	for i := range bytes {
		offsets = append(offsets, i)
	}
	if *campaign {
		return offsets
	}
	r := chance(t)
	r.Shuffle(len(offsets), func(i, j int) { offsets[i], offsets[j] = offsets[j], offsets[i] })
	return offsets[:min(len(offsets), 4)]
}

// once does the deed in an empty queue and returns what it came to and what it
// left. Exactly one reply has to be lost.
func (d *desk) once(t *testing.T, deed deed, keep int) string {
	t.Helper()
	must(t, d.client.FlushAll(t.Context()).Err())
	d.keep, d.lost = keep, make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if deed.given != nil {
		must(t, deed.given(ctx, d))
	}
	d.lose(deed.script, deed.skip)
	said, err := deed.do(ctx, d)
	select {
	case <-d.lost:
	default:
		t.Fatalf("no reply of %s was lost; %v", deed.script, err)
	}
	return fmt.Sprintf("said %v, error %v\n%s", said, err, inject.State(t, d.client, record(), deed.muted))
}

// work runs a pool until so many attempts have ended, and says how.
func (d *desk) work(ctx context.Context, o worker.Options, attempts int, handle worker.Handler) (any, error) {
	ended := make(chan worker.Attempt, 8)
	o.Prefix, o.Name, o.OnAttempt = record().Prefix, "w", func(a worker.Attempt) { ended <- a }
	mux := worker.NewMux()
	mux.Fallback(handle)
	pool, err := worker.New(d.conn, record().Queue, mux, o)
	if err != nil {
		return nil, err
	}
	if err := pool.Start(); err != nil {
		return nil, err
	}
	var said []any
	for len(said) < attempts && err == nil {
		select {
		case a := <-ended:
			said = append(said, fmt.Sprint(a.Status, " ", a.Job.ID, " ", a.Job.AttemptsStarted))
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	pool.Stop()
	if stopped := pool.WaitForCompletion(10 * time.Second); stopped != nil {
		return said, stopped
	}
	for len(ended) > 0 {
		a := <-ended
		said = append(said, fmt.Sprint("and then ", a.Status, " ", a.Job.ID))
	}
	return said, err
}
