package gates_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/tandemq/tandem/internal/jobs/jobstest"
	"github.com/tandemq/tandem/internal/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// cost is what a server has done. Commands include those that scripts call.
type cost struct{ commands, scripts float64 }

func (c cost) String() string {
	return fmt.Sprintf("%.2f commands and %.3f script calls", c.commands, c.scripts)
}

func (c cost) minus(other cost) cost {
	return cost{c.commands - other.commands, c.scripts - other.scripts}
}

// spent asks the server what it has done so far, which is itself not counted.
func spent(b *jobstest.Bench) cost {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), jobstest.Patience)
	defer cancel()
	text, err := b.Conn.Info(ctx, "commandstats").Result()
	if err != nil {
		b.Fatal(err)
	}
	var c cost
	for line := range strings.Lines(text) {
		command, calls, ok := parse(line)
		if !ok || command == "info" {
			continue
		}
		c.commands += calls
		if command == "evalsha" || command == "eval" {
			c.scripts += calls
		}
	}
	return c
}

// parse reads cmdstat_hset:calls=12,usec=34,….
func parse(line string) (command string, calls float64, ok bool) {
	name, stats, ok := strings.Cut(line, ":calls=")
	if !ok {
		return "", 0, false
	}
	number, _, _ := strings.Cut(stats, ",")
	calls, err := strconv.ParseFloat(number, 64)
	return strings.TrimPrefix(name, "cmdstat_"), calls, err == nil
}

// fewer and more are the jobs of the two runs that are compared: multiples of
// every concurrency.
const fewer, more = 400, 2400

// rounds is how often each run is made. A goroutine that a busy machine gives no
// turn comes too late for its call, which makes another one: that only ever adds,
// so what the work itself costs is the least.
const rounds = 3

// ofOneMore is what a job costs. work does its measured part with n jobs on a
// fresh prefix; the first time is for loading scripts.
func ofOneMore(t *testing.T, work func(b *jobstest.Bench, n int) cost) cost {
	t.Helper()
	server := redistest.Own(t, redistest.Options{}).Server
	least := func(n int) (c cost) {
		for round := range rounds {
			if got := work(jobstest.On(t, server), n); round == 0 || got.commands < c.commands {
				c = got
			}
		}
		return c
	}
	work(jobstest.On(t, server), fewer)
	few := least(fewer)
	difference := least(more).minus(few)
	return cost{difference.commands / (more - fewer), difference.scripts / (more - fewer)}
}

// slack is for the one that comes too late in every round.
const slack = 1.02

// within fails the test when a job costs more than its limit.
func within(t *testing.T, got, limit cost) {
	t.Helper()
	t.Logf("a job costs %v; the limit is %v", got, limit)
	if got.commands > limit.commands*slack || got.scripts > limit.scripts*slack {
		t.Errorf("a job costs Redis %v, more than %v", got, limit)
	}
}
