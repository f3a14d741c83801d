package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/tandemq/tandem/internal/jobs/internal/wire"
)

// schedule is a job scheduler of a Node service. Node makes its first run; the
// pools make each other one when they take the run before.
type schedule struct {
	at     time.Duration // when it is set up
	every  time.Duration // whole seconds that divide a minute
	byCron bool          // by a pattern that says the same
	runs   int           // how many there are to be; 0 is no schedule
	job    jobPlan       // what each run is like
}

// scheduler is the id of the plan's scheduler, and the name of its jobs.
const scheduler = "tick"

// drawSchedule sets up a scheduler in some of the plans.
func (p *plan) drawSchedule(t *rapid.T) {
	if p.mood == orderly || rapid.IntRange(0, 4).Draw(t, "scheduled") > 0 {
		return
	}
	s := schedule{
		at: moment(t, "set up", 0, 15*time.Second), every: seconds(t, "every", 1, 2, 3, 5),
		byCron: rapid.Bool().Draw(t, "by cron"),
		runs:   rapid.IntRange(1, 5).Draw(t, "runs"), job: p.drawJob(t),
	}
	s.job.options.Delay = 0
	p.schedule = s
}

// setUp is what Node leaves in Redis: the scheduler, and its first run, which is
// delayed.
var setUp = redis.NewScript(`
	local base, id, slot, run = ARGV[1], ARGV[2], ARGV[3], 'repeat:' .. ARGV[2] .. ':' .. ARGV[3]
	if redis.call('ZADD', KEYS[1], 'NX', slot, id) == 0 then return 0 end
	redis.call('HSET', KEYS[1] .. ':' .. id, 'name', id, 'data', '{}', 'opts', ARGV[4], 'ic', 1)
	if ARGV[5] ~= '' then redis.call('HSET', KEYS[1] .. ':' .. id, 'every', ARGV[5]) end
	local t = redis.call('TIME')
	local now = t[1] * 1000 + math.floor(t[2] / 1000)
	redis.call('XADD', base .. 'events', '*', 'event', 'added', 'jobId', run, 'name', id)
	redis.call('HSET', base .. run, 'name', id, 'data', '{}', 'opts', ARGV[4], 'timestamp', string.format('%.0f', now),
		'delay', string.format('%.0f', math.max(0, slot - now)), 'priority', ARGV[6], 'rjk', id)
	redis.call('INCR', base .. 'id')
	redis.call('HSETNX', base .. 'meta', 'opts.maxLenEvents', '10000')
	redis.call('ZADD', base .. 'delayed', string.format('%.0f', slot * 4096), run)
	redis.call('ZADD', base .. 'marker', slot, '1')
	return 1`)

// schedule sets up the plan's scheduler.
func (w *world) schedule() {
	s := &w.plan.schedule
	if s.runs == 0 {
		return
	}
	w.at(s.at)
	slot := w.serverTime().Truncate(s.every).Add(s.every)
	every := ""
	if !s.byCron {
		every = strconv.FormatInt(s.every.Milliseconds(), 10)
	}
	opts, err := s.options(slot)
	w.breaks("encode the options of a scheduler", err)
	keys := wire.NewKeys("", queueName)
	w.insist("set up a scheduler", func(ctx context.Context) error {
		return setUp.Run(ctx, w.overseer, []string{keys.Base() + "repeat"}, keys.Base(), scheduler, slot.UnixMilli(), opts,
			every, stored(s.job.options.Priority)).Err()
	})
}

// options are those of the first run, as they are stored.
func (s *schedule) options(slot time.Time) ([]byte, error) {
	repeat := map[string]any{"count": 1, "limit": s.runs, "every": s.every.Milliseconds()}
	o := s.job.options
	o.Foreign = map[string]json.RawMessage{}
	if s.byCron {
		delete(repeat, "every")
		repeat["pattern"], repeat["tz"] = fmt.Sprintf("*/%d * * * * *", int(s.every.Seconds())), "UTC"
		o.Foreign["prevMillis"] = json.RawMessage(strconv.FormatInt(slot.UnixMilli(), 10))
	}
	text, err := json.Marshal(repeat)
	if err != nil {
		return nil, err
	}
	o.Foreign["repeat"] = text
	return wire.EncodeOptions(o)
}

// slotOf is when a scheduler's run is due by the server's clock, and whether the
// job is one.
func slotOf(id string) (slot time.Time, ok bool) {
	ms, ok := strings.CutPrefix(id, "repeat:"+scheduler+":")
	n, err := strconv.ParseInt(ms, 10, 64)
	return time.UnixMilli(n), ok && err == nil
}

// offSchedule: each run leads to one other until there are as many as there are
// to be, each at a time of the schedule and later than the one before. When
// nothing is wrong, none is left out.
func (w *world) offSchedule(stories []*story) (broken []string) {
	s := &w.plan.schedule
	var slots []time.Time
	for _, story := range stories {
		if slot, ok := slotOf(story.id); ok {
			slots = append(slots, slot)
		}
	}
	if len(slots) != s.runs {
		broken = append(broken, fmt.Sprintf("schedule: has %d runs, wanted %d", len(slots), s.runs))
	}
	calm := w.plan.mood == prompt && w.plan.limit.Max == 0
	for i, slot := range slots {
		if !slot.Equal(slot.Truncate(s.every)) {
			broken = append(broken, fmt.Sprintf("schedule: has a run at %s, and comes every %s", clock(slot), s.every))
		}
		if i == 0 {
			continue
		}
		if gap := slot.Sub(slots[i-1]); gap <= 0 || calm && gap != s.every {
			broken = append(broken, fmt.Sprintf("schedule: a run at %s follows the one at %s", clock(slot), clock(slots[i-1])))
		}
	}
	return broken
}
