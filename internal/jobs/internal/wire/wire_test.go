package wire_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/wire"
)

// node is a job as Node 6.7 stores it after two attempts, the second a success.
var node = wire.Hash{
	"name": "ok", "data": `{"x":1}`, "timestamp": "1795422459428", "delay": "0", "priority": "10",
	"opts":        `{"attempts":3,"backoff":{"delay":1000,"type":"exponential"},"kl":5,"tm":"{}","removeOnComplete":{"age":3600,"count":100}}`,
	"processedOn": "1795422459459", "pb": "node-w1", "ats": "2", "atm": "2", "stc": "1", "progress": `{"pct":50}`,
	"returnvalue": `{"res":true}`, "finishedOn": "1795422459479", "failedReason": "boom", "stacktrace": `["Error: boom\n at x"]`,
	"parentKey": "bull:p:1", "parent": `{"id":"1","queueKey":"bull:p"}`, "rjk": "ev", "deid": "X", "defa": "why",
}

func TestAJobOfNodesIsReadInFull(t *testing.T) {
	want := &jobs.Job{
		ID: "7", Queue: "q", Name: "ok", Data: json.RawMessage(`{"x":1}`), Progress: json.RawMessage(`{"pct":50}`),
		ReturnValue: json.RawMessage(`{"res":true}`),
		Options: jobs.Options{
			Attempts: 3, Backoff: jobs.Backoff{Type: jobs.Exponential, Delay: time.Second}, KeepLogs: 5, Trace: "{}",
			KeepCompleted: &jobs.Retention{Age: time.Hour, Count: 100},
		},
		Priority: 10, Timestamp: time.UnixMilli(1795422459428), ProcessedOn: time.UnixMilli(1795422459459),
		FinishedOn: time.UnixMilli(1795422459479), AttemptsMade: 2, AttemptsStarted: 2, StalledCount: 1,
		FailedReason: "boom", Stacktrace: []string{"Error: boom\n at x"}, ProcessedBy: "node-w1", DeferredFailure: "why",
		ParentKey: "bull:p:1", SchedulerID: "ev", DeduplicationID: "X", Trace: "{}",
	}
	got, err := wire.DecodeJob("q", "7", node)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

func TestWhatCannotBeReadIsNamedAndTheRestIsThere(t *testing.T) {
	cases := map[string]wire.Hash{
		"data":         {"data": "{"},
		"progress":     {"progress": "half"},
		"delay":        {"delay": "soon"},
		"priority":     {"priority": "NaN"},
		"timestamp":    {"timestamp": "9223372036854775807"},
		"processedOn":  {"processedOn": "-5"},
		"finishedOn":   {"finishedOn": "{}"},
		"ats":          {"ats": "1e300"},
		"atm":          {"atm": "x"},
		"attemptsMade": {"attemptsMade": "x"},
		"stc":          {"stc": ""},
		"opts":         {"opts": "[]"},
		"opts.kl":      {"opts": `{"kl":"5","attempts":2}`},
	}
	for field, h := range cases {
		h["name"] = "still here"
		job, err := wire.DecodeJob("q", "7", h)
		if job.Name != "still here" {
			t.Errorf("%s: the job is %+v", field, job)
		}
		if field == "stc" { // an empty number is none
			if err != nil {
				t.Errorf("stc: %v", err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: error %v", field, err)
		}
	}
}

func TestWhatNodeForgivesIsForgiven(t *testing.T) {
	job, err := wire.DecodeJob("q", "7", wire.Hash{
		"name": "n", "returnvalue": "plain", "stacktrace": "{}", "delay": "1500.7", "attemptsMade": "1", "atm": "4",
	})
	if err != nil || job.ReturnValue != nil || job.Stacktrace != nil || job.Delay != 1500*time.Millisecond || job.AttemptsMade != 4 {
		t.Errorf("%+v, error %v", job, err)
	}
	if string(job.Data) != "{}" {
		t.Errorf("missing data is %s", job.Data)
	}
}

func TestOptionsAreStoredUnderTheirShortNames(t *testing.T) {
	cases := map[string]jobs.Options{
		`{"attempts":0}`: {},
		`{"attempts":3,"backoff":{"type":"linear","delay":1000,"maxDelay":60000,"jitter":0.5},"priority":10,"jobId":"x"}`: {
			Attempts: 3, Priority: 10, ID: "x",
			Backoff: jobs.Backoff{Type: jobs.Linear, Delay: time.Second, MaxDelay: time.Minute, Jitter: 0.5},
		},
		`{"attempts":0,"delay":1500,"lifo":true,"timeout":250,"expiresAt":1800000000000,"tm":"{}"}`: {
			Delay: 1500 * time.Millisecond, LIFO: true, Priority: jobs.Unprioritized, Timeout: 250 * time.Millisecond,
			ExpiresAt: time.UnixMilli(1_800_000_000_000), Trace: "{}",
		},
		`{"attempts":0,"removeOnComplete":true,"removeOnFail":false}`: {
			KeepCompleted: &jobs.Retention{None: true}, KeepFailed: &jobs.Retention{},
		},
		`{"attempts":0,"removeOnComplete":5,"removeOnFail":{"age":60,"count":7,"limit":3}}`: {
			KeepCompleted: &jobs.Retention{Count: 5}, KeepFailed: &jobs.Retention{Age: time.Minute, Count: 7, Limit: 3},
		},
		`{"attempts":0,"kl":2,"stackTraceLimit":3,"sizeLimit":4,"fpof":true,"parent":{"id":"p"}}`: {
			KeepLogs: 2, StackTraceLimit: 3, SizeLimit: 4,
			Foreign: map[string]json.RawMessage{"parent": json.RawMessage(`{"id":"p"}`), "fpof": json.RawMessage(`true`)},
		},
	}
	for want, options := range cases {
		got, err := wire.EncodeOptions(options)
		if err != nil || string(got) != want {
			t.Errorf("got  %s, error %v\nwant %s", got, err, want)
		}
	}
	if _, err := wire.EncodeOptions(jobs.Options{Foreign: map[string]json.RawMessage{"x": json.RawMessage("{")}}); err == nil {
		t.Error("a foreign option that is not JSON was written")
	}
}

func TestKeysHaveBullMQsNames(t *testing.T) {
	keys := wire.NewKeys("", "orders")
	got := []string{
		keys.Base(), keys.Meta(), keys.Wait(), keys.LegacyPaused(), keys.Active(), keys.Prioritized(), keys.Delayed(),
		keys.WaitingChildren(), keys.Completed(), keys.Failed(), keys.Marker(), keys.Events(), keys.Limiter(),
		keys.Job("5"), keys.Logs("5"), keys.Private(), keys.Queue(),
	}
	want := []string{
		"bull:orders:", "bull:orders:meta", "bull:orders:wait", "bull:orders:paused", "bull:orders:active",
		"bull:orders:prioritized", "bull:orders:delayed", "bull:orders:waiting-children", "bull:orders:completed",
		"bull:orders:failed", "bull:orders:marker", "bull:orders:events", "bull:orders:limiter", "bull:orders:5",
		"bull:orders:5:logs", "tandem:bull:orders:", "orders",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	tags := map[string]wire.Keys{
		"": keys, "bull": wire.NewKeys("{bull}", "q"), "q": wire.NewKeys("bull", "{q}"),
	}
	for tag, k := range tags {
		if k.HashTag() != tag {
			t.Errorf("the hash tag of %s is %q, wanted %q", k.Base(), k.HashTag(), tag)
		}
	}
	if open := wire.NewKeys("{bull", "q"); open.HashTag() != "" {
		t.Errorf("an open brace makes the tag %q", open.HashTag())
	}
}

func TestAWorkersConnectionIsNamedAsNodeLooksForIt(t *testing.T) {
	keys := wire.NewKeys("bull", "q4")
	for worker, want := range map[string]string{
		"": "bull:cTQ=", "node-w1": "bull:cTQ=:w:node-w1", "a b\tc\u00e9": "bull:cTQ=:w:a-b-c-",
	} {
		if got := keys.ClientName(worker); got != want {
			t.Errorf("%q: got %s, want %s", worker, got, want)
		}
	}
}

func TestScoresTellTimesAndPriorities(t *testing.T) {
	if due := wire.DueAt(7354050636435458); due.UnixMilli() != 1795422518661 {
		t.Errorf("due at %d", due.UnixMilli())
	}
	for score, want := range map[float64]int{4294967299: 1, 42949672965: 10, 9007194959773700: 2097151, 42949672960: 10} {
		if got := wire.Priority(score); got != want {
			t.Errorf("score %.0f: priority %d, want %d", score, got, want)
		}
	}
}

func TestCodesHaveMeanings(t *testing.T) {
	cases := map[wire.Code]error{
		wire.MissingJob: jobs.ErrNotFound, wire.MissingLock: jobs.ErrLockLost, wire.ForeignLock: jobs.ErrLockLost,
		wire.NotInState: jobs.ErrNotInState, wire.PendingChildren: jobs.ErrPendingChildren,
		wire.MissingParent: jobs.ErrParentMissing, wire.ParentConflict: jobs.ErrParentConflict,
		wire.SchedulerJob: jobs.ErrSchedulerJob, wire.FailedChildren: jobs.ErrFailedChildren,
		wire.SchedulerConflict: jobs.ErrSchedulerJob, wire.Locked: jobs.ErrLocked, wire.NotPaused: jobs.ErrNotPaused,
		wire.HasActive: jobs.ErrActiveJobs,
	}
	for code, want := range cases {
		if err := code.Err(); !errors.Is(err, want) {
			t.Errorf("%d: got %v, want %v", code, err, want)
		}
	}
	if wire.OK.Err() != nil || wire.Code(3).Err() != nil {
		t.Error("success is an error")
	}
	if err := wire.Code(-77).Err(); err == nil || !strings.Contains(err.Error(), "-77") {
		t.Errorf("a code that nobody knows: %v", err)
	}
}
