package invariant_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs/internal/invariant"
	"github.com/tandemq/tandem/internal/jobs/internal/wire"
	"github.com/tandemq/tandem/internal/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// run sends commands written as in redis-cli, with Q: for the queue's base and
// quotes around nothing: values have no spaces here.
func run(t *testing.T, client *redis.Client, keys wire.Keys, commands ...string) {
	t.Helper()
	for _, command := range commands {
		var args []any
		for _, word := range strings.Fields(command) {
			args = append(args, strings.ReplaceAll(word, "Q:", keys.Base()))
		}
		if err := client.Do(context.Background(), args...).Err(); err != nil {
			t.Fatalf("%s: %v", command, err)
		}
	}
}

// healthy has a job in every state; w stands for waiting and so on.
var healthy = []string{
	"hset Q:meta opts.maxLenEvents 10000",
	"set Q:id 9",
	"hset Q:w name n data {} opts {} timestamp 1000 delay 0 priority 0",
	"rpush Q:wait w",
	"hset Q:p name n data {} opts {} timestamp 1000 delay 0 priority 7",
	"zadd Q:prioritized 30064771073 p",
	"hset Q:d name n data {} opts {} timestamp 1000 delay 500 priority 0 deid x",
	"zadd Q:delayed 6144000 d",
	"hset Q:a name n data {} opts {} timestamp 1000 delay 0 priority 0 processedOn 1100 ats 1",
	"rpush Q:active a",
	"set Q:a:lock token px 60000",
	"sadd Q:stalled a",
	"hset Q:c name n data {} opts {} timestamp 1000 delay 0 priority 0 finishedOn 1200 returnvalue null",
	"zadd Q:completed 1200 c",
	`hset Q:f name n data {} opts {} timestamp 1000 delay 0 priority 0 finishedOn 1200 failedReason why stacktrace ["at"]`,
	"zadd Q:failed 1200 f",
	"hset Q:parent name n data {} opts {} timestamp 1000 delay 0 priority 0",
	"zadd Q:waiting-children 1000 parent",
	"sadd Q:parent:dependencies Q:w",
	`hset Q:w parentKey Q:parent parent {"id":"parent"}`,
	"rpush Q:a:logs line",
	"set Q:de:x d",
	"set Q:de:throttle gone px 60000",
	"zadd Q:marker 0 0",
	"xadd Q:events 1-1 event added jobId w name n",
}

func TestCheckFindsNothingInAHealthyQueue(t *testing.T) {
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		client, keys := server.Client(t), wire.NewKeys(server.Prefix(t), "q")
		if diff := cmp.Diff([]string(nil), invariant.Check(t, client, keys, invariant.Options{})); diff != "" {
			t.Errorf("an empty queue (-want +got):\n%s", diff)
		}
		run(t, client, keys, healthy...)
		if diff := cmp.Diff([]string(nil), invariant.Check(t, client, keys, invariant.Options{})); diff != "" {
			t.Errorf("a queue with a job in every state (-want +got):\n%s", diff)
		}
	})
}

func TestCheckSaysWhatIsBroken(t *testing.T) {
	cases := []struct {
		name   string
		damage []string
		want   string
	}{
		{"a job in two places", []string{"zadd Q:failed 1200 c", "hset Q:c failedReason x"}, "job c is in completed and failed"},
		{"an id twice in a list", []string{"lpush Q:wait w"}, "job w is in wait and wait"},
		{"a job nowhere", []string{"lrem Q:wait 0 w"}, "job w is stored but nowhere"},
		{"a member without a job", []string{"rpush Q:wait ghost"}, "wait holds ghost, which is not stored"},
		{"a job of another type", []string{"del Q:p", "rpush Q:p x"}, "key p is a list, not a hash"},
		{"waiting jobs without a marker", []string{"zrem Q:marker 0"}, "2 jobs may start and no marker tells"},
		{"delayed jobs without a marker", []string{"del Q:marker Q:wait Q:prioritized"}, "jobs are delayed and no marker tells"},
		{"a strange marker", []string{"zadd Q:marker 5 w"}, "marker has the member w"},
		{"a lock without an active job", []string{"set Q:w:lock t px 60000"}, "job w is locked and not active"},
		{"a lock for ever", []string{"set Q:a:lock t"}, "the lock of job a never runs out"},
		{"an active job without a lock", []string{"del Q:a:lock"}, "job a is active without a lock"},
		{"suspicion of a job that is not active", []string{"sadd Q:stalled w"}, "job w is under suspicion and not active"},
		{"a finish at another time than the score", []string{"hset Q:c finishedOn 1"}, `job c is completed at 1200 and its finishedOn is "1"`},
		{"a completed job without a result", []string{"hdel Q:c returnvalue"}, "job c is completed and has no returnvalue"},
		{"a failed job without a reason", []string{"hdel Q:f failedReason"}, "job f is failed and has no failedReason"},
		{"an end before the end", []string{"hset Q:w finishedOn 5"}, "job w has a finishedOn and is not finished"},
		{"due too early", []string{"zadd Q:delayed 6139904 d"}, "job d is due at 1499, before its delay of 500 from 1000 is over"},
		{"another priority than the score", []string{"hset Q:p priority 8"}, `job p stands at priority 7 and its field says "8"`},
		{"a missing field", []string{"hdel Q:w timestamp"}, "job w has no field timestamp"},
		{"a number that is none", []string{"hset Q:a ats many"}, `field ats of job a is no number: "many"`},
		{"data that is not JSON", []string{"hset Q:w data {"}, `field data of job w is not the JSON it should be: "{"`},
		{"opts that are no object", []string{"hset Q:w opts 5"}, `field opts of job w is not the JSON it should be: "5"`},
		{"traces that are no array", []string{"hset Q:f stacktrace {}"}, `field stacktrace of job f is not the JSON it should be: "{}"`},
		{"active and never started", []string{"hdel Q:a processedOn"}, "job a is active and has no processedOn"},
		{"a private key among the queue's", []string{"set Q:tandem:private:sweep:x 1"}, "key tandem:private:sweep:x is none that a queue has"},
		{"a deduplication key of nobody", []string{"set Q:de:x gone"}, "deduplication key x names gone, which is not stored"},
		{"a next job of nobody", []string{"hset Q:dn:y name n"}, "deduplication id y has a next job and no owner"},
		{"a parent that waits for nobody", []string{"del Q:parent:dependencies"}, "job parent waits for children and has none"},
		{"a parent that waits for a job that is not stored", []string{"sadd Q:parent:dependencies Q:gone"}, "job parent waits for Q:gone, which is not stored"},
		{"a parent in another queue's terms", []string{"hset Q:w parentKey Q:c"}, `job parent waits for Q:w, whose parent is "Q:c"`},
		{"children without a parent", []string{"sadd Q:none:dependencies Q:w"}, "job none has children and is not stored"},
		{"no length for the stream", []string{"hdel Q:meta opts.maxLenEvents"}, "meta has no opts.maxLenEvents"},
		{"no counter", []string{"del Q:id"}, "the counter id is missing"},
	}
	server := redistest.Shared(t)
	client := server.Client(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			keys := wire.NewKeys(server.Prefix(t), "q")
			run(t, client, keys, healthy...)
			run(t, client, keys, c.damage...)
			got := strings.Join(invariant.Check(t, client, keys, invariant.Options{}), "\n")
			if got = strings.ReplaceAll(got, keys.Base(), "Q:"); !strings.Contains(got, c.want) {
				t.Errorf("got\n%s\nwant among it\n%s", got, c.want)
			}
		})
	}
}

func TestCheckAllowsWhatATestDidOnPurpose(t *testing.T) {
	server := redistest.Shared(t)
	client := server.Client(t)
	cases := map[string]struct {
		do    string
		allow invariant.Options
	}{
		"a dead worker's lock":          {"del Q:a:lock", invariant.Options{LostLocks: true}},
		"ghosts":                        {"rpush Q:wait ghost", invariant.Options{Ghosts: true}},
		"a marker taken":                {"del Q:marker", invariant.Options{Popped: true}},
		"a rate limit that holds":       {"del Q:marker", invariant.Options{Limited: true}},
		"a pause":                       {"hset Q:meta paused 1", invariant.Options{}},
		"all slots of concurrency used": {"hset Q:meta concurrency 1", invariant.Options{}},
		"the lock of a removed job":     {"set Q:gone:lock t px 60000", invariant.Options{}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			keys := wire.NewKeys(server.Prefix(t), "q")
			run(t, client, keys, healthy...)
			run(t, client, keys, c.do)
			if name == "a pause" || name == "all slots of concurrency used" {
				run(t, client, keys, "del Q:marker")
			}
			if diff := cmp.Diff([]string(nil), invariant.Check(t, client, keys, c.allow)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDumpShowsAllKeysAndMasksWhatVaries(t *testing.T) {
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		client, keys := server.Client(t), wire.NewKeys(server.Prefix(t), "q")
		run(t, client, keys, "hset Q:j data 1 parentKey Q:p", "rpush Q:wait j k", "set Q:j:lock t px 60000",
			"zadd Q:delayed 7354050411155456 d", "sadd Q:stalled b a",
			"xadd Q:events 5-1 event waiting jobId j prev active", "xadd Q:events 6-1 event drained")
		want := `delayed  {d=7354050411155456}
j  {data=1 parentKey=Q:p}
j:lock  t (expires)
stalled  (a b)
wait  [j k]
events
  waiting jobId=j prev=active
  drained
`
		if diff := cmp.Diff(want, invariant.Dump(t, client, keys)); diff != "" {
			t.Errorf("dump (-want +got):\n%s", diff)
		}
		state, _, _ := strings.Cut(want, "events\n")
		if diff := cmp.Diff(state, invariant.DumpState(t, client, keys)); diff != "" {
			t.Errorf("dump of the state (-want +got):\n%s", diff)
		}
	})
}
