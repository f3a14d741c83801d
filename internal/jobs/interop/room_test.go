package interop_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs/admin"
	"github.com/tandemq/tandem/internal/jobs/internal/invariant"
	"github.com/tandemq/tandem/internal/jobs/internal/wire"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/redistest"
)

// room is one queue that Go and Node share in one test.
type room struct {
	*testing.T
	server  *redistest.Server
	redis   redis.UniversalClient
	conn    *redisconn.Conn
	node    *node
	major   int     // of BullMQ
	cluster *object // Node's connection to a Redis Cluster, else nil
	prefix  string
	queue   string
	keys    wire.Keys
}

// eachMajor runs a test with both majors, side by side.
func eachMajor(t *testing.T, test func(r *room)) {
	t.Parallel()
	for _, major := range []int{5, 6} {
		t.Run("bullmq"+strconv.Itoa(major), func(t *testing.T) {
			t.Parallel()
			test(newRoom(t, major))
		})
	}
}

// newest runs a test with BullMQ 6 alone.
func newest(t *testing.T, test func(r *room)) {
	t.Parallel()
	test(newRoom(t, 6))
}

func newRoom(t *testing.T, major int) *room {
	t.Helper()
	server := redistest.Real(t)
	r := &room{
		T: t, server: server, redis: server.Client(t), node: sharedNode(t), major: major,
		prefix: server.Prefix(t), queue: "mail",
	}
	r.keys = wire.NewKeys(r.prefix, r.queue)
	r.conn = open(t, redisconn.Options{URL: server.URL})
	return r
}

func open(t testing.TB, o redisconn.Options) *redisconn.Conn {
	t.Helper()
	conn, err := redisconn.Open(o)
	must(t, err)
	t.Cleanup(func() { must(t, conn.Close()) })
	return conn
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want fails the test when got differs.
func want[T any](t testing.TB, what string, got, wanted T) {
	t.Helper()
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// other is the same server with another queue, which has a room of its own.
func (r *room) other(name string) *room {
	o := *r
	o.queue = name
	o.keys = wire.NewKeys(r.prefix, name)
	return &o
}

// in is the same queue with another major.
func (r *room) in(major int) *room {
	o := *r
	o.major = major
	return &o
}

// ---- Node's side

func (r *room) options(more obj) obj {
	o := obj{"prefix": r.prefix, "connection": r.connection()}
	maps.Copy(o, more)
	return o
}

func (r *room) connection() obj {
	if r.cluster != nil {
		return obj{"$cluster": r.cluster.as}
	}
	host, port, err := net.SplitHostPort(r.server.Addr)
	must(r, err)
	return obj{"host": host, "port": port, "maxRetriesPerRequest": nil}
}

func (r *room) create(kind string, args ...any) *object {
	r.Helper()
	return r.createAt(r.node, kind, args...)
}

func (r *room) createAt(n *node, kind string, args ...any) *object {
	r.Helper()
	return n.create(r.T, obj{"op": "new", "major": r.major, "kind": kind, "args": args, "tell": kind != "Queue"})
}

func (r *room) nodeQueue() *object {
	r.Helper()
	return r.create("Queue", r.queue, r.options(nil))
}

// nodeWorker runs jobs by their names; see driver.mjs. more are Node's options.
func (r *room) nodeWorker(more obj) *object {
	r.Helper()
	return r.nodeWorkerAt(r.node, more)
}

func (r *room) nodeWorkerAt(n *node, more obj) *object {
	r.Helper()
	return r.createAt(n, "Worker", r.queue, r.options(more))
}

// nodeEvents is a QueueEvents that must live as long as the test: whatever Go
// wrote into the stream, it could read.
func (r *room) nodeEvents() *object {
	r.Helper()
	e := r.create("QueueEvents", r.queue, r.options(obj{"lastEventId": "0"}))
	r.Cleanup(func() {
		for _, event := range e.events("error") {
			r.Errorf("node cannot read the events: %s", event.Args)
		}
	})
	return e
}

// ---- Go's side

func (r *room) goQueue() *queue.Queue {
	r.Helper()
	return r.goQueueWith(queue.Options{})
}

func (r *room) goQueueWith(o queue.Options) *queue.Queue {
	r.Helper()
	o.Prefix = r.prefix
	q, err := queue.New(r.conn, r.queue, o)
	must(r, err)
	r.Cleanup(q.Close)
	return q
}

func (r *room) admin() *admin.Queue {
	r.Helper()
	a, err := admin.New(r.conn, r.prefix, r.queue)
	must(r, err)
	return a
}

// ---- what is stored

func (r *room) key(suffix string) string { return r.keys.Base() + suffix }

func (r *room) hash(suffix string) map[string]string {
	r.Helper()
	h, err := r.redis.HGetAll(r.Context(), r.key(suffix)).Result()
	must(r, err)
	return h
}

func (r *room) field(suffix, name string) string {
	r.Helper()
	return r.hash(suffix)[name]
}

// list is a list from its left end to its right, which is served first.
func (r *room) list(suffix string) []string {
	r.Helper()
	ids, err := r.redis.LRange(r.Context(), r.key(suffix), 0, -1).Result()
	must(r, err)
	return ids
}

// zset is a sorted set as "member=score", the lowest first.
func (r *room) zset(suffix string) []string {
	r.Helper()
	rows, err := r.redis.ZRangeWithScores(r.Context(), r.key(suffix), 0, -1).Result()
	must(r, err)
	all := []string{}
	for _, row := range rows {
		all = append(all, fmt.Sprintf("%v=%s", row.Member, strconv.FormatFloat(row.Score, 'f', -1, 64)))
	}
	return all
}

func (r *room) members(suffix string) []string {
	r.Helper()
	ids, err := r.redis.ZRange(r.Context(), r.key(suffix), 0, -1).Result()
	must(r, err)
	return ids
}

// score is NaN-free: a member that is not there fails the test.
func (r *room) score(suffix, member string) float64 {
	r.Helper()
	score, err := r.redis.ZScore(r.Context(), r.key(suffix), member).Result()
	if err != nil {
		r.Fatalf("score of %s in %s: %v", member, suffix, err)
	}
	return score
}

func (r *room) exists(suffix string) bool {
	r.Helper()
	n, err := r.redis.Exists(r.Context(), r.key(suffix)).Result()
	must(r, err)
	return n == 1
}

// sound checks that the queue is what a queue can be once whoever works on it has
// come to rest. A worker that idles may have taken the marker.
func (r *room) sound() {
	r.Helper()
	o := invariant.Options{Popped: true}
	if !inTime(func() bool { return len(invariant.Check(r, r.redis, r.keys, o)) == 0 }) {
		invariant.Must(r, r.redis, r.keys, o)
	}
}

// ---- the event stream

// told is one entry of the stream.
type told struct {
	at     int64 // ms, by the server's clock
	event  string
	id     string
	fields map[string]string // the others
}

// String is "waiting{7 prev=active}".
func (e told) String() string {
	words := []string{}
	if e.id != "" {
		words = append(words, e.id)
	}
	for _, name := range slices.Sorted(maps.Keys(e.fields)) {
		words = append(words, name+"="+e.fields[name])
	}
	return e.event + "{" + strings.Join(words, " ") + "}"
}

func entry(m redis.XMessage) told {
	ms, _, _ := strings.Cut(m.ID, "-")
	at, _ := strconv.ParseInt(ms, 10, 64) // Redis makes them
	e := told{at: at, fields: map[string]string{}}
	for name, v := range m.Values {
		switch text := fmt.Sprint(v); name {
		case "event":
			e.event = text
		case "jobId":
			e.id = text
		default:
			e.fields[name] = text
		}
	}
	return e
}

// stream is all that the stream holds.
func (r *room) stream() []told {
	r.Helper()
	messages, err := r.redis.XRange(r.Context(), r.keys.Events(), "-", "+").Result()
	must(r, err)
	all := make([]told, len(messages))
	for i, m := range messages {
		all[i] = entry(m)
	}
	return all
}

// story is what the stream says of a job, in words; of the queue as a whole when
// id is "".
func (r *room) story(id string) []string {
	r.Helper()
	words := []string{}
	for _, e := range r.stream() {
		if e.id == id {
			words = append(words, e.String())
		}
	}
	return words
}

// await returns the first entry that match accepts, now or later.
func (r *room) await(what string, match func(told) bool) told {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	for after := "0"; ; {
		streams, err := r.redis.XRead(ctx, &redis.XReadArgs{
			Streams: []string{r.keys.Events(), after}, Count: 500, Block: patience,
		}).Result()
		if err != nil {
			r.Fatalf("%s did not happen: %v\n%s", what, err, invariant.Dump(r, r.redis, r.keys))
		}
		for _, m := range streams[0].Messages {
			after = m.ID
			if e := entry(m); match(e) {
				return e
			}
		}
	}
}

// awaitEvent awaits an event of a job, the first one of its kind.
func (r *room) awaitEvent(event, id string) told {
	r.Helper()
	return r.awaitNth(event, id, 1)
}

// awaitNth awaits the nth event of a kind; an id of "" means of any job.
func (r *room) awaitNth(event, id string, n int) told {
	r.Helper()
	return r.await(fmt.Sprintf("%s of %q, %d times", event, id, n), func(e told) bool {
		if e.event == event && (id == "" || e.id == id) {
			n--
		}
		return n == 0
	})
}

// near compares moments, in ms, that one script wrote by two clocks: TIME and the
// ids of the stream.
func near(t testing.TB, what string, got string, wanted int64) {
	t.Helper()
	ms, err := strconv.ParseInt(got, 10, 64)
	must(t, err)
	if apart := ms - wanted; apart < -500 || apart > 500 {
		t.Errorf("%s is %d, %d ms away from %d", what, ms, apart, wanted)
	}
}

// eventually waits for what no event tells.
func (r *room) eventually(what string, holds func() bool) {
	r.Helper()
	if !inTime(holds) {
		r.Fatalf("%s: not in time\n%s", what, invariant.Dump(r, r.redis, r.keys))
	}
}

func inTime(holds func() bool) bool {
	deadline := time.After(patience)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline:
			return false
		}
	}
	return true
}

func zmember(id string, score float64) redis.Z { return redis.Z{Member: id, Score: score} }
