package events_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/events"
	"github.com/tandemq/tandem/internal/jobs/jobstest"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/internal/redistest"
)

// follower collects what Follow yields, from a goroutine of its own.
type follower struct {
	stop func() // cancels and waits until Follow has returned

	mu     sync.Mutex
	events []jobs.Event
	errs   []error
}

func follow(b *jobstest.Bench, from string) *follower {
	f := &follower{}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		for event, err := range events.Follow(ctx, b.Conn, b.Prefix, "q", from) {
			f.mu.Lock()
			if err != nil {
				f.errs = append(f.errs, err)
			} else {
				f.events = append(f.events, event)
			}
			f.mu.Unlock()
		}
	})
	f.stop = func() { cancel(); done.Wait() }
	b.Cleanup(f.stop)
	return f
}

func (f *follower) seen() []jobs.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.events)
}

func (f *follower) failures() []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.errs)
}

func ids(list []jobs.Event) []string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = e.ID
	}
	return out
}

// stored are the ids of all entries that the stream holds.
func stored(b *jobstest.Bench) []string {
	b.Helper()
	entries, err := b.Conn.XRange(context.Background(), b.Prefix+":q:events", "-", "+").Result()
	if err != nil {
		b.Fatal(err)
	}
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = e.ID
	}
	return out
}

func TestAJobsLifeIsTold(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		b := jobstest.On(t, server)
		f := follow(b, events.FromStart)
		mux := worker.NewMux()
		mux.Fallback(func(ctx context.Context, task *worker.Task) (any, error) {
			if task.Attempt == 1 {
				return nil, errors.New("not yet")
			}
			return "done", task.Progress(ctx, map[string]int{"percent": 50})
		})
		b.Pool("q", mux, worker.Options{})
		id := b.Add(b.Queue("q", queue.Options{}), "work", nil, jobs.Options{
			Attempts: 2, Backoff: jobs.Backoff{Type: jobs.Fixed, Delay: 5 * time.Millisecond},
		})
		last := func() bool {
			seen := f.seen()
			return len(seen) > 0 && seen[len(seen)-1].Type == jobs.EventDrained
		}
		b.Eventually("the queue is drained", last)
		var got []string
		for _, e := range f.seen() {
			if e.JobID != "" && e.JobID != id {
				t.Errorf("an event of job %s", e.JobID)
			}
			switch e.Type {
			case jobs.EventCompleted:
				got = append(got, fmt.Sprintf("%s %s", e.Type, e.ReturnValue))
			case jobs.EventProgress:
				got = append(got, fmt.Sprintf("%s %s", e.Type, e.Data))
			case jobs.EventDelayed:
				got = append(got, fmt.Sprintf("%s %t", e.Type, e.DueAt.After(time.Now().Add(-time.Minute))))
			default:
				got = append(got, string(e.Type))
			}
		}
		want := []string{
			"added", "waiting", "active", "delayed true", "waiting", "active", `progress {"percent":50}`,
			`completed "done"`, "drained",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if errs := f.failures(); errs != nil {
			t.Errorf("errors %v", errs)
		}
	})
}

func TestWhereFollowingBegins(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		b := jobstest.On(t, server)
		q := b.Queue("q", queue.Options{})
		b.Add(q, "before", nil, jobs.Options{})
		old := stored(b)
		now := follow(b, events.FromNow)
		start := follow(b, events.FromStart)
		behind := follow(b, old[0])
		b.Eventually("the one from now has its place", func() bool { // it misses what comes before that
			b.Add(q, "probe", nil, jobs.Options{})
			return len(now.seen()) > 0
		})
		b.Add(q, "after", nil, jobs.Options{})
		all := stored(b)
		for name, f := range map[string]struct {
			*follower
			want []string
		}{
			"start": {start, all}, "behind the first": {behind, all[1:]},
		} {
			b.Eventually(name+" has seen all", func() bool { return len(f.seen()) >= len(f.want) })
			if diff := cmp.Diff(f.want, ids(f.seen())); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
		b.Eventually("the one from now has seen the last", func() bool { return ids(now.seen())[len(now.seen())-1] == all[len(all)-1] })
		if got := ids(now.seen()); slices.Contains(got, old[0]) || !slices.Equal(got, all[len(all)-len(got):]) {
			t.Errorf("from now: %v of %v", got, all)
		}
	})
}

func TestFollowRefusesAPlaceThatIsNone(t *testing.T) {
	t.Parallel()
	b := jobstest.New(t)
	for _, from := range []string{"", "yesterday", "1-", "-1", "1-2-3", "99999999999999999999", "99999999999999999999-0"} {
		n := 0
		for event, err := range events.Follow(t.Context(), b.Conn, b.Prefix, "q", from) {
			if n++; !errors.Is(err, jobs.ErrInvalid) || event.ID != "" {
				t.Errorf("%q: %v, %+v", from, err, event)
			}
		}
		if n != 1 {
			t.Errorf("%q: yielded %d times, wanted one error", from, n)
		}
	}
	for _, err := range events.Follow(t.Context(), b.Conn, b.Prefix, "a:b", events.FromNow) {
		if !errors.Is(err, jobs.ErrInvalid) {
			t.Errorf("queue name: %v", err)
		}
	}
}

func TestNoEventIsMissedOrToldTwice(t *testing.T) {
	t.Parallel()
	disasters := []struct {
		name   string
		strike func(t *testing.T, server *redistest.Instance)
	}{
		{"when its connection is killed", func(t *testing.T, server *redistest.Instance) {
			if err := server.Client(t).Do(t.Context(), "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
				t.Error(err)
			}
		}},
		{"when the server is killed and comes back", func(_ *testing.T, server *redistest.Instance) { server.Kill(); server.Restart() }},
	}
	for _, d := range disasters {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Own(t, redistest.Options{Config: []string{"appendonly yes", "appendfsync always"}})
			b := jobstest.On(t, server.Server)
			q := b.Queue("q", queue.Options{})
			f := follow(b, events.FromStart)
			for range 3 {
				for range 80 {
					b.Add(q, "work", nil, jobs.Options{})
				}
				d.strike(t, server)
			}
			for range 80 {
				b.Add(q, "work", nil, jobs.Options{})
			}
			want := stored(b)
			b.Eventually("all is seen", func() bool { return len(f.seen()) >= len(want) })
			if got := ids(f.seen()); !slices.Equal(got, want) {
				t.Errorf("%d events were told of %d: the first difference is at %d", len(got), len(want), difference(got, want))
			}
			for _, err := range f.failures() {
				if !errors.Is(err, jobs.ErrUnavailable) {
					t.Errorf("error %v, wanted ErrUnavailable only", err)
				}
			}
		})
	}
}

func difference(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// A follower that was away while the stream was trimmed past its place says so,
// once, and goes on with the oldest that is left.
func TestAGapIsTold(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{})
	proxy := redistest.Proxy(t, server.Server)
	b := jobstest.On(t, server.Server)
	through := jobstest.On(t, proxy.Server)
	through.Prefix = b.Prefix
	q := b.Queue("q", queue.Options{})
	f := follow(through, events.FromStart)
	b.Add(q, "seen", nil, jobs.Options{})
	b.Eventually("the first is seen", func() bool { return len(f.seen()) == 2 })
	proxy.Stall()
	proxy.CloseAll() // what it asks now, nobody hears
	for range 20 {
		b.Add(q, "missed", nil, jobs.Options{})
	}
	if err := b.Conn.XTrimMaxLen(t.Context(), b.Prefix+":q:events", 10).Err(); err != nil {
		t.Fatal(err)
	}
	want := stored(b)
	proxy.Flow()
	b.Eventually("it has caught up", func() bool { return len(f.seen()) >= 12 })
	b.Add(q, "later", nil, jobs.Options{})
	b.Eventually("it goes on", func() bool { return len(f.seen()) == 14 })
	if diff := cmp.Diff(want, ids(f.seen())[2:12]); diff != "" {
		t.Errorf("behind the gap (-want +got):\n%s", diff)
	}
	gaps := 0
	for _, err := range f.failures() {
		if errors.Is(err, events.ErrGap) {
			gaps++
		} else if !errors.Is(err, jobs.ErrUnavailable) {
			t.Errorf("error %v", err)
		}
	}
	if gaps != 1 {
		t.Errorf("%d gaps were told, wanted 1: %v", gaps, f.failures())
	}
}

// A caller that takes its time, with a connection that is well, misses what is
// trimmed meanwhile, and is told.
func TestASlowCallerIsToldOfAGap(t *testing.T) {
	t.Parallel()
	b := jobstest.New(t)
	q := b.Queue("q", queue.Options{})
	b.Add(q, "seen", nil, jobs.Options{})
	var left []string
	seen, gaps := 0, 0
	for event, err := range events.Follow(t.Context(), b.Conn, b.Prefix, "q", events.FromStart) {
		switch {
		case errors.Is(err, events.ErrGap):
			gaps++
		case err != nil:
			t.Fatal(err)
		default:
			seen++
		}
		if seen == 2 && left == nil { // all that was read
			for range 20 {
				b.Add(q, "missed", nil, jobs.Options{})
			}
			if err := b.Conn.XTrimMaxLen(t.Context(), b.Prefix+":q:events", 10).Err(); err != nil {
				t.Fatal(err)
			}
			left = stored(b)
		}
		if len(left) > 0 && event.ID == left[len(left)-1] {
			break
		}
	}
	if seen != 2+10 || gaps != 1 {
		t.Errorf("%d events and %d gaps, wanted 12 and 1", seen, gaps)
	}
}

func TestAPlaceThatIsNoLongerThereIsAGap(t *testing.T) {
	t.Parallel()
	b := jobstest.New(t)
	q := b.Queue("q", queue.Options{})
	for range 5 {
		b.Add(q, "work", nil, jobs.Options{})
	}
	place := stored(b)[2]
	if err := b.Conn.XTrimMaxLen(t.Context(), b.Prefix+":q:events", 4).Err(); err != nil {
		t.Fatal(err)
	}
	f := follow(b, place)
	b.Eventually("it has read on", func() bool { return len(f.seen()) == 4 })
	if errs := f.failures(); len(errs) != 1 || !errors.Is(errs[0], events.ErrGap) {
		t.Errorf("errors %v, wanted one gap", errs)
	}
}

func TestFollowingEndsAtOnce(t *testing.T) {
	t.Parallel()
	b := jobstest.New(t)
	q := b.Queue("q", queue.Options{})
	b.Add(q, "work", nil, jobs.Options{})
	t.Run("when its context does", func(t *testing.T) {
		f := follow(b, events.FromStart)
		b.Eventually("it has caught up and blocks", func() bool { return len(f.seen()) == 2 })
		begin := time.Now()
		f.stop()
		if took := time.Since(begin); took > 5*time.Second { // it would block for ten
			t.Errorf("took %s", took)
		}
		if errs := f.failures(); errs != nil {
			t.Errorf("its end was told as %v", errs)
		}
	})
	t.Run("when the caller has seen enough", func(t *testing.T) {
		n := 0
		for range events.Follow(t.Context(), b.Conn, b.Prefix, "q", events.FromStart) {
			n++
			break
		}
		if n != 1 {
			t.Errorf("yielded %d times", n)
		}
	})
	t.Run("when the context has ended before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for event, err := range events.Follow(ctx, b.Conn, b.Prefix, "q", events.FromStart) {
			t.Errorf("yielded %+v, %v", event, err)
		}
	})
}

func TestFollowSurvivesAServerThatIsDown(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{Config: []string{"appendonly yes", "appendfsync always"}})
	b := jobstest.On(t, server.Server)
	q := b.Queue("q", queue.Options{})
	server.Kill()
	f := follow(b, events.FromNow)
	b.Eventually("it says that Redis is away", func() bool { return len(f.failures()) > 0 })
	server.Restart()
	b.Eventually("it hears again", func() bool {
		b.Add(q, "work", nil, jobs.Options{})
		return len(f.seen()) > 0
	})
	for _, err := range f.failures() {
		if !errors.Is(err, jobs.ErrUnavailable) {
			t.Errorf("error %v, wanted ErrUnavailable", err)
		}
	}
}

// A moment is no event that somebody saw, so nothing can have gone with it: not
// even when the queue is new and its stream empty.
func TestFromAMomentIsNoGap(t *testing.T) {
	t.Parallel()
	b := jobstest.New(t)
	q := b.Queue("q", queue.Options{})
	moment := strconv.FormatInt(time.Now().Add(-time.Minute).UnixMilli(), 10)
	early := follow(b, moment)
	b.Add(q, "work", nil, jobs.Options{})
	late := follow(b, moment)
	for _, one := range []*follower{early, late} {
		b.Eventually("the events are told", func() bool { return len(one.seen()) == 2 })
		if errs := one.failures(); len(errs) != 0 {
			t.Errorf("errors %v, wanted none", errs)
		}
	}
}
