package worker

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/jobs"
)

func TestNextRun(t *testing.T) {
	now := time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	ms := func(text string) int64 { return at(text).UnixMilli() }
	tests := []struct {
		name   string
		repeat string
		prev   int64 // prevMillis, 0 without
		next   time.Time
		every  time.Duration
		count  int
		over   bool
		err    string
	}{
		{name: "every minute", repeat: `{"every":60000,"count":3}`, every: time.Minute, count: 4},
		{name: "every with an offset", repeat: `{"every":60000,"offset":500,"count":1}`, every: time.Minute, count: 2},
		{name: "the limit is not reached", repeat: `{"every":1000,"count":4,"limit":5}`, every: time.Second, count: 5},
		{name: "the limit is reached", repeat: `{"every":1000,"count":5,"limit":5}`, over: true},
		{name: "the end has passed", repeat: fmt.Sprintf(`{"every":1000,"count":1,"endDate":%d}`, ms("2026-03-28T11:59:59Z")), over: true},
		{name: "the end is to come", repeat: fmt.Sprintf(`{"every":1000,"count":1,"endDate":%d}`, ms("2026-03-28T12:00:01Z")), every: time.Second, count: 2},
		{name: "cron in UTC", repeat: `{"pattern":"0 30 9 * * *","tz":"UTC","count":1}`, next: at("2026-03-29T09:30:00Z"), count: 2},
		{name: "cron in a zone whose clocks change that night", repeat: `{"pattern":"0 30 9 * * *","tz":"Europe/Berlin","count":1}`, next: at("2026-03-29T07:30:00Z"), count: 2},
		{name: "cron of five fields", repeat: `{"pattern":"*/15 * * * *","tz":"UTC","count":1}`, next: at("2026-03-28T12:15:00Z"), count: 2},
		{name: "cron after the previous run", repeat: `{"pattern":"*/15 * * * *","tz":"UTC","count":1}`, prev: ms("2026-03-28T12:15:00Z"), next: at("2026-03-28T12:30:00Z"), count: 2},
		{name: "a previous run long ago makes no backlog", repeat: `{"pattern":"*/15 * * * *","tz":"UTC","count":1}`, prev: ms("2026-03-27T12:15:00Z"), next: at("2026-03-28T12:15:00Z"), count: 2},
		{name: "cron from a start", repeat: fmt.Sprintf(`{"pattern":"0 0 * * *","tz":"UTC","count":1,"startDate":%d}`, ms("2026-04-10T05:00:00Z")), next: at("2026-04-11T00:00:00Z"), count: 2},
		{name: "no repeat options", err: "has no repeat options"},
		{name: "not JSON", repeat: `{`, err: "repeat options"},
		{name: "neither pattern nor every", repeat: `{"count":1}`, err: "neither pattern nor every"},
		{name: "a pattern that is none", repeat: `{"pattern":"every day","count":1}`, err: "every day"},
		{name: "a zone that is none", repeat: `{"pattern":"0 0 * * *","tz":"Mars/Base","count":1}`, err: "Mars/Base"},
		{name: "a day that never comes", repeat: `{"pattern":"0 0 30 2 *","tz":"UTC","count":1}`, err: "never comes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := &jobs.Job{ID: "repeat:s:1", SchedulerID: "s", Priority: 7, Options: jobs.Options{
				ID: "repeat:s:1", Delay: time.Minute, Attempts: 3, Foreign: map[string]json.RawMessage{"mine": json.RawMessage(`1`)},
			}}
			if tt.repeat != "" {
				j.Options.Foreign["repeat"] = json.RawMessage(tt.repeat)
			}
			if tt.prev != 0 {
				j.Options.Foreign["prevMillis"] = json.RawMessage(fmt.Sprint(tt.prev))
			}
			next, ok, err := nextRun(j, now)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, wanted one with %q", err, tt.err)
				}
				return
			}
			if err != nil || ok == tt.over {
				t.Fatalf("ok %t, error %v", ok, err)
			}
			if tt.over {
				return
			}
			if !next.Next.Equal(tt.next) || next.Every != tt.every || next.Scheduler != "s" || next.JobID != j.ID || next.Priority != 7 {
				t.Errorf("next %+v", next)
			}
			var options map[string]any
			if err := json.Unmarshal(next.Options, &options); err != nil {
				t.Fatal(err)
			}
			repeat, isMap := options["repeat"].(map[string]any)
			if !isMap || repeat["count"] != float64(tt.count) {
				t.Errorf("repeat %v, wanted count %d", options["repeat"], tt.count)
			}
			delete(options, "repeat")
			if diff := cmp.Diff(map[string]any{"attempts": 3.0, "mine": 1.0}, options); diff != "" {
				t.Errorf("other options (-want +got):\n%s", diff)
			}
			if j.Options.ID == "" || len(j.Options.Foreign["repeat"]) == 0 {
				t.Error("the job's own options were changed")
			}
		})
	}
}

// The server says when a job began; a worker's clock may be wrong.
func TestTheNextRunFollowsTheServersClock(t *testing.T) {
	for _, skew := range []time.Duration{-time.Hour, time.Hour} {
		t.Run(fmt.Sprintf("server clock %s ahead", skew), func(t *testing.T) {
			bubble(t, func(t *testing.T, s *story) {
				s.redis.skew = skew
				run := job("repeat:tick:1")
				run.SchedulerID = "tick"
				run.Options.Foreign = map[string]json.RawMessage{"repeat": json.RawMessage(`{"pattern":"*/5 * * * *","tz":"UTC","count":1}`)}
				s.redis.add(run)
				began := s.redis.now()
				p := s.start(Options{}, work(0))
				s.calm()
				s.end(p)
				if len(s.redis.advanced) != 1 {
					t.Fatalf("advanced %d times", len(s.redis.advanced))
				}
				if ahead := s.redis.advanced[0].Next.Sub(began); ahead <= 0 || ahead > 5*time.Minute {
					t.Errorf("the next run is in %s, wanted within 5 minutes", ahead)
				}
			})
		})
	}
}
