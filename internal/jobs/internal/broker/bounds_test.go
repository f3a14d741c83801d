package broker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/broker"
	"github.com/tandemq/tandem/internal/redistest"
)

// mostCommands is how many commands one script call may run: six for each of the
// 1,000 jobs that it looks at, whatever the size of the queue.
const mostCommands = 6_100

// crowd is how many jobs of each kind stand in the queue.
const crowd = 20_000

// However large a queue is, one call does a bounded piece of work. It is counted
// in commands, which do not depend on the machine.
func TestNoCallGrowsWithTheQueue(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{})
	f := newFixture(t, server.Server)
	f.crowded()
	keepFew := &jobs.Retention{Count: 10, Age: time.Second}
	cases := map[string]func(*testing.T, *broker.Broker) error{
		"take and finish": func(t *testing.T, b *broker.Broker) error {
			settled, err := b.Settle(f.ctx, nil, fetch("t", 50))
			if err != nil {
				return err
			}
			var outcomes []broker.Outcome
			for _, taken := range settled.Taken {
				o := outcome(broker.Completed, taken.ID)
				o.Keep = keepFew
				outcomes = append(outcomes, o)
			}
			_, err = b.Settle(f.ctx, outcomes, fetch("t2", 500))
			return err
		},
		"sweep": func(t *testing.T, b *broker.Broker) error {
			recovered := 0
			for range crowd/500 + 3 {
				f.pass(time.Second)
				swept, err := b.At(f.now).Sweep(f.ctx, broker.SweepRule{Gap: time.Second, Interval: time.Minute, Limit: -1})
				if err != nil {
					return err
				}
				recovered += len(swept.Recovered)
			}
			if recovered == 0 {
				return errors.New("nothing was given back")
			}
			return nil
		},
		"retry many": func(t *testing.T, b *broker.Broker) error {
			_, err := b.RetryMany(f.ctx, jobs.Failed, time.Time{}, 1_000_000)
			return err
		},
		"metrics after a long time": func(t *testing.T, b *broker.Broker) error {
			f.do("hset Q:metrics:completed count 1 prevTS 1 prevCount 0")
			by := fetch("t3", 1)
			by.MetricAge = 1_000_000
			settled, err := b.Settle(f.ctx, nil, by)
			if err != nil || len(settled.Taken) == 0 {
				return fmt.Errorf("taken %d: %w", len(settled.Taken), err)
			}
			o := outcome(broker.Completed, settled.Taken[0].ID)
			o.Token = "t3"
			_, err = b.Settle(f.ctx, []broker.Outcome{o}, by)
			return err
		},
		"clean": func(t *testing.T, b *broker.Broker) error {
			_, err := b.Clean(f.ctx, jobs.Completed, epoch, 2_000)
			return err
		},
		"add sent again": func(t *testing.T, b *broker.Broker) error {
			f.lossy.left.Store(1)
			_, err := b.Add(f.ctx, []broker.NewJob{given("x"), newJob("y")})
			return err
		},
		"remove": func(t *testing.T, b *broker.Broker) error { return b.Remove(f.ctx, "c19000", false) },
		"drain": func(t *testing.T, b *broker.Broker) error {
			_, err := b.Drain(f.ctx, true)
			return err
		},
		"obliterate": func(t *testing.T, b *broker.Broker) error {
			if _, err := b.Pause(f.ctx); err != nil {
				return err
			}
			return b.Obliterate(f.ctx, true)
		},
	}
	for _, name := range []string{
		"take and finish", "sweep", "retry many", "metrics after a long time", "clean", "add sent again", "remove", "drain", "obliterate",
	} {
		f.pass(time.Second)
		counter := &callCounter{server: server.Client(t)}
		client := server.Client(t)
		client.AddHook(counter)
		client.AddHook(f.lossy)
		if err := cases[name](t, broker.New(client, f.keys).At(f.now)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Logf("%s: at most %d commands in each of %d calls", name, counter.most, counter.calls)
		if counter.most > mostCommands || counter.calls == 0 {
			t.Errorf("%s: a call ran %d commands, in %d calls", name, counter.most, counter.calls)
		}
	}
}

// crowdScript adds jobs FROM to TO of each kind to the queue with base ARGV 1.
const crowdScript = `
local base, at = ARGV[1], tonumber(ARGV[4])
for i = tonumber(ARGV[2]), tonumber(ARGV[3]) do
  for place, key in pairs({ c = 'completed', f = 'failed', d = 'delayed' }) do
    local score = at + i
    if place == 'd' then score = score * 4096 end
    redis.call('ZADD', base .. key, string.format('%.0f', score), place .. i)
    redis.call('HSET', base .. place .. i, 'name', 'n', 'data', '{}', 'opts', '{}', 'timestamp', '1', 'delay', '0',
      'priority', i % 3, 'finishedOn', string.format('%.0f', at + i), 'returnvalue', 'null', 'failedReason', 'x')
  end
  redis.call('LPUSH', base .. 'active', 'a' .. i)
  redis.call('HSET', base .. 'a' .. i, 'name', 'n', 'data', '{}', 'opts', '{}', 'timestamp', '1', 'delay', '0', 'priority', '0')
end`

// crowded fills a queue the short way.
func (f *fixture) crowded() {
	f.Helper()
	f.do("hset Q:meta opts.maxLenEvents 10000")
	for from := 0; from < crowd; from += 1000 {
		err := f.client.Eval(f.ctx, crowdScript, nil, f.keys.Base(), from, from+999, epoch.UnixMilli()-crowd).Err()
		if err != nil && !errors.Is(err, redis.Nil) {
			f.Fatal(err)
		}
	}
}

// callCounter is a hook that finds out how many commands each script call ran.
type callCounter struct {
	server      *redis.Client
	calls, most int
}

func (c *callCounter) DialHook(next redis.DialHook) redis.DialHook { return next }
func (c *callCounter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
func (c *callCounter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if !strings.HasPrefix(cmd.Name(), "eval") {
			return next(ctx, cmd)
		}
		before := c.commands(ctx)
		err := next(ctx, cmd)
		c.calls++
		c.most = max(c.most, c.commands(ctx)-before-2) // the call itself and INFO
		return err
	}
}

// commands is how many commands the server has run, those of scripts included.
func (c *callCounter) commands(ctx context.Context) int {
	total := 0
	for line := range strings.Lines(c.server.Info(ctx, "commandstats").Val()) {
		var calls int
		if _, after, ok := strings.Cut(line, ":calls="); ok {
			if _, err := fmt.Sscanf(after, "%d,", &calls); err == nil {
				total += calls
			}
		}
	}
	return total
}
