package queue_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
	"github.com/tandemq/tandem/internal/jobs/jobstest"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/redistest"
)

type mail struct {
	To string `json:"to"`
}

var welcome = jobs.Define[mail, struct{}]("email", "welcome")

// each runs a test on a bench of the embedded and of the real server.
func each(t *testing.T, test func(t *testing.T, b *jobstest.Bench)) {
	t.Helper()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) { test(t, jobstest.On(t, server)) })
}

func TestAddStoresWhatWasAsked(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *jobstest.Bench) {
		q := b.Queue("email", queue.Options{Attempts: 4, Backoff: jobs.Backoff{Type: jobs.Fixed, Delay: time.Second}})
		added, err := queue.On(q, welcome).Add(t.Context(), mail{"ada@example.com"}, jobs.Options{Priority: jobs.High, Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if added.Existed || added.Err != nil || added.ID == "" {
			t.Errorf("added %+v", added)
		}
		job, state := b.Get("email", added.ID)
		if state != jobs.Prioritized {
			t.Errorf("state %s", state)
		}
		if job.Name != "welcome" || string(job.Data) != `{"to":"ada@example.com"}` || job.Priority != 10 {
			t.Errorf("stored %s %s with priority %d", job.Name, job.Data, job.Priority)
		}
		want := jobs.Options{
			Priority: jobs.High, Attempts: 4, Timeout: time.Minute, Backoff: jobs.Backoff{Type: jobs.Fixed, Delay: time.Second},
		}
		job.Options.ID = ""
		if diff := cmp.Diff(want, job.Options); diff != "" {
			t.Errorf("options (-want +got):\n%s", diff)
		}
	})
}

func TestWhereAJobGoes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		o     jobs.Options
		state jobs.State
		delay time.Duration
	}{
		{"by itself", jobs.Options{}, jobs.Prioritized, 0},
		{"unprioritized", jobs.Options{Priority: jobs.Unprioritized}, jobs.Waiting, 0},
		{"first in line", jobs.Options{LIFO: true}, jobs.Waiting, 0},
		{"later", jobs.Options{Delay: time.Hour}, jobs.Delayed, time.Hour},
		{"a part of a millisecond later", jobs.Options{Delay: time.Hour + 1}, jobs.Delayed, time.Hour + time.Millisecond},
		{"at a moment", jobs.Options{RunAt: time.Now().Add(time.Hour)}, jobs.Delayed, time.Hour},
		{"at a moment that has passed", jobs.Options{RunAt: time.Now().Add(-time.Hour)}, jobs.Prioritized, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, b *jobstest.Bench) {
				id := b.Add(b.Queue("q", queue.Options{}), "work", nil, tt.o)
				job, state := b.Get("q", id)
				if state != tt.state {
					t.Errorf("state %s, wanted %s", state, tt.state)
				}
				if off := job.Delay - tt.delay; off < -time.Minute || off > time.Minute {
					t.Errorf("delay %s, wanted %s", job.Delay, tt.delay)
				}
			})
		})
	}
}

func TestJobsWaitInTheOrderInWhichTheyAreToRun(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *jobstest.Bench) {
		q := b.Queue("q", queue.Options{})
		for _, j := range []struct {
			name string
			o    jobs.Options
		}{
			{"low", jobs.Options{Priority: jobs.Low}},
			{"normal 1", jobs.Options{}},
			{"critical 1", jobs.Options{Priority: jobs.Critical}},
			{"normal 2", jobs.Options{Priority: jobs.Normal}},
			{"high", jobs.Options{Priority: jobs.High}},
			{"critical 2", jobs.Options{Priority: jobs.Critical}},
			{"plain 1", jobs.Options{Priority: jobs.Unprioritized}},
			{"plain 2", jobs.Options{Priority: jobs.Unprioritized}},
			{"head", jobs.Options{LIFO: true}},
			{"17", jobs.Options{Priority: 17}},
		} {
			b.Add(q, j.name, nil, j.o)
		}
		want := []string{"head", "plain 1", "plain 2", "critical 1", "critical 2", "high", "17", "normal 1", "normal 2", "low"}
		var got []string
		for _, state := range []jobs.State{jobs.Waiting, jobs.Prioritized} {
			page, _, err := b.Admin("q").Page(t.Context(), state, 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, job := range page {
				got = append(got, job.Name)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

func TestAddRefusesWhatIsWrongBeforeItSendsAnything(t *testing.T) {
	t.Parallel()
	b := jobstest.New(t)
	q := b.Queue("q", queue.Options{CustomBackoffs: []jobs.BackoffType{"moon"}})
	tests := []struct {
		name    string
		job     string
		payload any
		o       jobs.Options
		field   string
	}{
		{"no name", "", nil, jobs.Options{}, "name"},
		{"name with a line break", "a\nb", nil, jobs.Options{}, "name"},
		{"id of digits", "a", nil, jobs.Options{ID: "123"}, "jobId"},
		{"id with a colon", "a", nil, jobs.Options{ID: "a:b"}, "jobId"},
		{"priority", "a", nil, jobs.Options{Priority: jobs.MaxPriority + 1}, "priority"},
		{"lifo with a priority", "a", nil, jobs.Options{LIFO: true, Priority: 1}, "lifo"},
		{"negative delay", "a", nil, jobs.Options{Delay: -1}, "delay"},
		{"delay and moment", "a", nil, jobs.Options{Delay: 1, RunAt: time.Now()}, "runAt"},
		{"backoff of nobody", "a", nil, jobs.Options{Backoff: jobs.Backoff{Type: "sun", Delay: 1}}, "backoff.type"},
		{"payload that is no JSON", "a", func() {}, jobs.Options{}, "data"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for what, err := range map[string]error{
				"check": q.Check(tt.job, tt.payload, tt.o),
				"add":   second(q.Add(t.Context(), tt.job, tt.payload, tt.o)),
			} {
				invalid, ok := errors.AsType[*jobs.ValidationError](err)
				if !ok || invalid.Field != tt.field {
					t.Errorf("%s: error %v, wanted one about %s", what, err, tt.field)
				}
			}
		})
	}
	if err := q.Check("a", nil, jobs.Options{Backoff: jobs.Backoff{Type: "moon", Delay: 1}}); err != nil {
		t.Errorf("a backoff that the workers know: %v", err)
	}
	if keys := b.Dump("q"); keys != "" {
		t.Errorf("something was stored:\n%s", keys)
	}
}

func second[T any](_ T, err error) error { return err }

func TestAPayloadHasASizeLimit(t *testing.T) {
	t.Parallel()
	b := jobstest.New(t)
	q := b.Queue("q", queue.Options{})
	text := func(n int) string { return strings.Repeat("x", n-2) } // two bytes are the quotes
	tests := []struct {
		bytes, limit int
		ok           bool
	}{
		{jobs.MaxData, 0, true}, {jobs.MaxData + 1, 0, false},
		{100, 100, true}, {101, 100, false}, {2 * jobs.MaxData, 3 * jobs.MaxData, true},
	}
	for _, tt := range tests {
		_, err := q.Add(t.Context(), "a", text(tt.bytes), jobs.Options{SizeLimit: tt.limit})
		if ok := err == nil; ok != tt.ok || err != nil && !errors.Is(err, jobs.ErrTooLarge) {
			t.Errorf("%d bytes with limit %d: %v", tt.bytes, tt.limit, err)
		}
	}
}

func TestASecondJobUnderAnIdDoesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *jobstest.Bench) {
		q := b.Queue("q", queue.Options{})
		o := jobs.Options{ID: "order-7"}
		for i := range 3 {
			added, err := q.Add(t.Context(), "a", i, o)
			if err != nil || added.ID != "order-7" || added.Existed != (i > 0) {
				t.Errorf("add %d: %+v, %v", i, added, err)
			}
		}
		if job, _ := b.Get("q", "order-7"); string(job.Data) != "0" {
			t.Errorf("data %s, wanted the first one's", job.Data)
		}
		if n := b.Counts("q").Waiting; n != 1 {
			t.Errorf("%d jobs wait", n)
		}
	})
}

func TestAddBulkAnswersForEveryItem(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *jobstest.Bench) {
		q := b.Queue("q", queue.Options{})
		b.Add(q, "old", nil, jobs.Options{ID: "there"})
		items := []queue.Item{
			{Name: "a", Payload: 1}, {Name: "", Payload: 2}, {Name: "c", Options: jobs.Options{ID: "there"}},
			{Name: "d", Payload: func() {}}, {Name: "e", Options: jobs.Options{ID: "twice"}}, {Name: "f", Options: jobs.Options{ID: "twice"}},
		}
		results, err := q.AddBulk(t.Context(), items, queue.Bulk{})
		if !errors.Is(err, jobs.ErrInvalid) || !strings.Contains(err.Error(), "item 1") {
			t.Errorf("all or nothing: error %v, wanted one about item 1", err)
		}
		if n := b.Counts("q").Waiting; n != 1 || len(results) != len(items) {
			t.Errorf("all or nothing: %d wait, %d results", n, len(results))
		}
		results, err = q.AddBulk(t.Context(), items, queue.Bulk{Partial: true})
		if !errors.Is(err, jobs.ErrInvalid) {
			t.Errorf("partial: error %v", err)
		}
		var got []string
		for _, r := range results {
			got = append(got, fmt.Sprintf("existed %t, bad %t", r.Existed, r.Err != nil))
		}
		want := []string{
			"existed false, bad false", "existed false, bad true", "existed true, bad false",
			"existed false, bad true", "existed false, bad false", "existed true, bad false",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
		if n := b.Counts("q").Waiting; n != 3 {
			t.Errorf("partial: %d wait, wanted 3", n)
		}
	})
}

func TestAddBulkOfNothing(t *testing.T) {
	t.Parallel()
	b := jobstest.New(t)
	results, err := b.Queue("q", queue.Options{}).AddBulk(t.Context(), nil, queue.Bulk{})
	if err != nil || len(results) != 0 {
		t.Errorf("%v, %v", results, err)
	}
}

func TestAddBulkKeepsTheOrder(t *testing.T) {
	t.Parallel()
	b := jobstest.New(t)
	q := b.Queue("q", queue.Options{})
	items := make([]queue.Item, 1000)
	for i := range items {
		items[i] = queue.Item{Name: strconv.Itoa(i)}
	}
	results, err := q.AddBulk(t.Context(), items, queue.Bulk{})
	if err != nil {
		t.Fatal(err)
	}
	page, _, err := b.Admin("q").Page(t.Context(), jobs.Prioritized, 0, 1000)
	if err != nil || len(page) != 1000 {
		t.Fatalf("%d jobs, %v", len(page), err)
	}
	for i, job := range page {
		if job.Name != strconv.Itoa(i) || job.ID != results[i].ID {
			t.Fatalf("place %d has job %s, %s", i, job.Name, job.ID)
		}
	}
}

// The reply is lost, the job is there: it must not be there twice, nor be
// called a duplicate, nor be an error.
func TestALostReplyMakesNoSecondJob(t *testing.T) {
	t.Parallel()
	for _, keep := range []int{0, 1, 5} {
		t.Run(fmt.Sprintf("%d bytes of it arrive", keep), func(t *testing.T) {
			t.Parallel()
			proxy := redistest.Proxy(t, redistest.Real(t))
			b := jobstest.On(t, proxy.Server)
			q := b.Queue("q", queue.Options{})
			b.Add(q, "first", nil, jobs.Options{}) // the script is known from now on
			for i, o := range []jobs.Options{{}, {ID: "mine"}, {Delay: time.Hour}, {LIFO: true}} {
				proxy.OnRequest(redistest.Nth(1, "evalsha", redistest.CutReply(keep)))
				added, err := q.Add(t.Context(), "a", i, o)
				if err != nil || added.Existed {
					t.Errorf("options %d: %+v, %v", i, added, err)
				}
				if _, state := b.Get("q", added.ID); state == jobs.Unknown {
					t.Errorf("options %d: job %s is not there", i, added.ID)
				}
			}
			proxy.OnRequest(nil)
			if proxy.Cuts() != 4 {
				t.Fatalf("%d replies were cut", proxy.Cuts())
			}
			if c := b.Counts("q"); c.Waiting+c.Delayed != 5 {
				t.Errorf("counts %+v, wanted 5 jobs", c)
			}
		})
	}
}

func TestALostBulkReplyMakesNoSecondJobs(t *testing.T) {
	t.Parallel()
	proxy := redistest.Proxy(t, redistest.Real(t))
	b := jobstest.On(t, proxy.Server)
	q := b.Queue("q", queue.Options{})
	b.Add(q, "first", nil, jobs.Options{})
	requests := 0
	proxy.OnRequest(func(args []string) redistest.Action {
		if requests++; requests%4 == 2 && strings.EqualFold(args[0], "evalsha") {
			return redistest.CutReply(0)
		}
		return redistest.Forward()
	})
	results, err := q.AddBulk(t.Context(), make500(), queue.Bulk{})
	proxy.OnRequest(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Existed || r.Err != nil {
			t.Fatalf("item %d: %+v", i, r)
		}
	}
	if proxy.Cuts() == 0 {
		t.Fatal("no reply was cut")
	}
	if n := b.Counts("q").Waiting; n != 501 {
		t.Errorf("%d jobs, wanted 501", n)
	}
}

func make500() []queue.Item {
	items := make([]queue.Item, 500)
	for i := range items {
		items[i] = queue.Item{Name: "a", Payload: i}
	}
	return items
}

// scriptCalls is how many EVALSHA and EVAL a server has served.
func scriptCalls(tb testing.TB, b *jobstest.Bench) (n int) {
	tb.Helper()
	text, err := b.Conn.Info(tb.Context(), "commandstats").Result()
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(line, ":calls=")
		if name == "cmdstat_evalsha" || name == "cmdstat_eval" {
			calls, err := strconv.Atoi(rest[:strings.IndexByte(rest, ',')])
			if err != nil {
				tb.Fatal(err)
			}
			n += calls
		}
	}
	return n
}

func TestAddsOfTheSameTimeTravelTogether(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{})
	b := jobstest.On(t, server.Server)
	q := b.Queue("q", queue.Options{})
	b.Add(q, "first", nil, jobs.Options{})
	before := scriptCalls(t, b)
	var adding sync.WaitGroup
	ids := make([]string, 200)
	server.Pause() // so that all of them are there before the first call ends
	for i := range ids {
		adding.Go(func() {
			added, err := q.Add(t.Context(), "a", i, jobs.Options{})
			if err != nil {
				t.Error(err)
			}
			ids[i] = added.ID
		})
	}
	// One is under way alone, and a second call has taken along what was there when it left.
	waiting := func() bool { return queue.WaitingFor(q) >= len(ids)-1-broker.MaxBatch }
	b.Eventually("the adds have joined", waiting)
	server.Resume()
	adding.Wait()
	slices.Sort(ids)
	if n := len(slices.Compact(ids)); n != 200 {
		t.Errorf("%d different ids", n)
	}
	if n := b.Counts("q").Waiting; n != 201 {
		t.Errorf("%d jobs", n)
	}
	if calls := scriptCalls(t, b) - before; calls > 12 {
		t.Errorf("200 adds took %d calls, wanted about 5", calls)
	}
}

// While one call is under way, a few adds wait for it to end and then travel
// together; as many as fill half a call do not wait.
func TestEnoughAddsDoNotWaitForTheCallUnderWay(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{})
	b := jobstest.On(t, server.Server)
	q := b.Queue("q", queue.Options{})
	var adding sync.WaitGroup
	add := func(n int) {
		for range n {
			adding.Go(func() {
				if _, err := q.Add(t.Context(), "a", nil, jobs.Options{}); err != nil {
					t.Error(err)
				}
			})
		}
	}
	const half = broker.MaxBatch / 2
	server.Pause()
	add(1)
	b.Eventually("the first is under way", func() bool { return queue.Sending(q) == 1 })
	add(half - 1)
	b.Eventually("few wait", func() bool { return queue.WaitingFor(q) == half-1 })
	add(1)
	b.Eventually("enough are under way, too", func() bool { return queue.Sending(q) == 2 })
	add(3 * half)
	b.Eventually("there is no third call", func() bool { return queue.WaitingFor(q) == 3*half })
	server.Resume()
	adding.Wait()
	if n := b.Counts("q").Waiting; n != 4*half+1 {
		t.Errorf("%d jobs, wanted %d", n, 4*half+1)
	}
	b.Eventually("nothing is under way", func() bool { return queue.Sending(q) == 0 })
}

func TestADeadlineIsKeptWhateverRedisDoes(t *testing.T) {
	t.Parallel()
	states := map[string]func(*redistest.Instance){
		"paused": (*redistest.Instance).Pause,
		"down":   (*redistest.Instance).Kill,
	}
	for name, harm := range states {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Own(t, redistest.Options{})
			conn := open(t, server.URL)
			q, err := queue.New(conn, "q", queue.Options{Patience: 300 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := q.Add(t.Context(), "a", nil, jobs.Options{}); err != nil {
				t.Fatal(err)
			}
			harm(server)
			short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			added, err := q.Add(short, "a", nil, jobs.Options{})
			if !errors.Is(err, jobs.ErrUnavailable) {
				t.Errorf("deadline of the caller: error %v, wanted ErrUnavailable", err)
			}
			if added.ID == "" {
				t.Error("no id to add the job again under")
			}
			if _, err := q.Add(t.Context(), "a", nil, jobs.Options{}); !errors.Is(err, jobs.ErrUnavailable) {
				t.Errorf("patience of the queue: error %v, wanted ErrUnavailable", err)
			}
			results, err := q.AddBulk(t.Context(), []queue.Item{{Name: "a"}, {Name: "b"}}, queue.Bulk{})
			if !errors.Is(err, jobs.ErrUnavailable) || !errors.Is(results[0].Err, jobs.ErrUnavailable) || results[1].ID == "" {
				t.Errorf("bulk: %+v, %v", results, err)
			}
			gone, cancelNow := context.WithCancel(t.Context())
			cancelNow()
			if _, err := q.Add(gone, "a", nil, jobs.Options{}); !errors.Is(err, jobs.ErrUnavailable) || !errors.Is(err, context.Canceled) {
				t.Errorf("caller gone: error %v, wanted ErrUnavailable and Canceled", err)
			}
			q.Close()
		})
	}
}

func open(tb testing.TB, url string) *redisconn.Conn {
	tb.Helper()
	conn, err := redisconn.Open(redisconn.Options{URL: url})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	return conn
}

func TestAServerThatRefusesIsUnavailableAndSaysWhy(t *testing.T) {
	t.Parallel()
	master := redistest.Own(t, redistest.Options{})
	tests := []struct {
		name   string
		config []string
		want   error
	}{
		{"replica", []string{"replicaof " + strings.ReplaceAll(master.Addr, ":", " ")}, jobs.ErrReadOnly},
		{"full", []string{"maxmemory 1", "maxmemory-policy noeviction"}, jobs.ErrOutOfMemory},
		{"wants a password", []string{"requirepass x"}, jobs.ErrUnavailable},
		{"has no room for another client", []string{"maxclients 1"}, jobs.ErrUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Own(t, redistest.Options{Config: tt.config})
			_ = server.Client(t).Ping(t.Context()).Err() // the one client that there is room for
			q, err := queue.New(open(t, server.URL), "q", queue.Options{Patience: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			defer q.Close()
			if _, err := q.Add(t.Context(), "a", nil, jobs.Options{}); !errors.Is(err, tt.want) {
				t.Errorf("error %v, wanted %v", err, tt.want)
			}
		})
	}
}

func TestAnAddWaitsForARedisThatComesBack(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{Config: []string{"appendonly yes", "appendfsync always"}})
	b := jobstest.On(t, server.Server)
	q := b.Queue("q", queue.Options{})
	first := b.Add(q, "a", nil, jobs.Options{})
	server.Kill()
	done := make(chan error, 1)
	go func() {
		_, err := q.Add(t.Context(), "b", nil, jobs.Options{ID: "second"})
		done <- err
	}()
	server.Restart()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{first, "second"} {
		if _, state := b.Get("q", id); state != jobs.Prioritized {
			t.Errorf("job %s is %s", id, state)
		}
	}
}

func TestCloseWaitsForCallsAndRefusesTheRest(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{})
	b := jobstest.On(t, server.Server)
	q := b.Queue("q", queue.Options{})
	server.Pause()
	stored := make(chan error, 1)
	go func() {
		_, err := q.Add(context.Background(), "a", nil, jobs.Options{ID: "last"})
		stored <- err
	}()
	b.Eventually("the call is under way", func() bool { return queue.Sending(q) == 1 })
	closed := make(chan struct{})
	go func() { q.Close(); close(closed) }()
	b.Eventually("the queue is closed", func() bool {
		brief, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		_, err := q.Add(brief, "b", nil, jobs.Options{})
		return errors.Is(err, queue.ErrClosed)
	})
	select {
	case <-closed:
		t.Error("Close did not wait for the call under way")
	default:
	}
	server.Resume()
	<-closed
	if err := <-stored; err != nil {
		t.Errorf("the last add: %v", err)
	}
	q.Close() // again does no harm
	if _, state := b.Get("q", "last"); state != jobs.Prioritized {
		t.Errorf("the last job is %s", state)
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	single := open(t, "redis://localhost:1")
	cluster, err := redisconn.Open(redisconn.Options{Addrs: []string{"localhost:1"}, Cluster: true})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	tests := []struct {
		name  string
		conn  *redisconn.Conn
		queue string
		o     queue.Options
		field string // "" is fine
	}{
		{"fine", single, "email", queue.Options{}, ""},
		{"no name", single, "", queue.Options{}, "queue"},
		{"colon", single, "a:b", queue.Options{}, "queue"},
		{"cluster without a hash tag", cluster, "email", queue.Options{}, "prefix"},
		{"cluster with a tag in the prefix", cluster, "email", queue.Options{Prefix: "{bull}"}, ""},
		{"cluster with a tag in the name", cluster, "{email}", queue.Options{}, ""},
		{"empty tag", cluster, "email", queue.Options{Prefix: "{}"}, "prefix"},
		{"patience", single, "email", queue.Options{Patience: -1}, "patience"},
		{"attempts", single, "email", queue.Options{Attempts: -1}, "maxAttempts"},
		{"priority", single, "email", queue.Options{Priority: -7}, "priority"},
		{"backoff", single, "email", queue.Options{Backoff: jobs.Backoff{Type: jobs.Fixed, Jitter: 2}}, "backoff.jitter"},
		{"backoff of nobody", single, "email", queue.Options{Backoff: jobs.Backoff{Type: "moon", Delay: 1}}, "backoff.type"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q, err := queue.New(tt.conn, tt.queue, tt.o)
			if tt.field == "" {
				if err != nil {
					t.Fatal(err)
				}
				if q.Name() != tt.queue {
					t.Errorf("name %q", q.Name())
				}
				return
			}
			if invalid, ok := errors.AsType[*jobs.ValidationError](err); !ok || invalid.Field != tt.field {
				t.Errorf("error %v, wanted one about %s", err, tt.field)
			}
		})
	}
}

func TestAQueueOnACluster(t *testing.T) {
	t.Parallel()
	nodes := redistest.Cluster(t)
	conn, err := redisconn.Open(redisconn.Options{Addrs: nodes.Addrs, Cluster: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i := range 8 { // their slots lie on different nodes
		q, err := queue.New(conn, fmt.Sprintf("{q%d}", i), queue.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := q.Add(t.Context(), "a", i, jobs.Options{ID: "x"}); err != nil {
			t.Errorf("queue %d: %v", i, err)
		}
		if added, err := q.Add(t.Context(), "a", i, jobs.Options{ID: "x"}); err != nil || !added.Existed {
			t.Errorf("queue %d again: %+v, %v", i, added, err)
		}
		q.Close()
	}
}

func TestTypedJobsGoToTheirQueueUnderTheirName(t *testing.T) {
	t.Parallel()
	b := jobstest.New(t)
	q := b.Queue("email", queue.Options{})
	typed := queue.On(q, welcome.Named("farewell"))
	if _, err := q.AddBulk(t.Context(), []queue.Item{typed.Item(mail{"b@example.com"}, jobs.Options{ID: "b"})}, queue.Bulk{}); err != nil {
		t.Fatal(err)
	}
	job, _ := b.Get("email", "b")
	var got mail
	if err := json.Unmarshal(job.Data, &got); err != nil || job.Name != "farewell" || got.To != "b@example.com" {
		t.Errorf("stored %s %s: %v", job.Name, job.Data, err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a type of another queue was accepted")
		}
	}()
	queue.On(q, jobs.Define[mail, struct{}]("export", "csv"))
}
