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

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/internal/wire"
)

// unique are the adds of a Node service that wants one job at a time under a
// deduplication id.
type unique struct {
	asks []ask
	job  jobPlan // what each of the jobs is like
}

// ask is one such add.
type ask struct {
	at   time.Duration
	keep bool // while the owner is active, the job is kept for afterwards
}

// onlyOne is the deduplication id of the plan, and the name of its jobs.
const onlyOne = "only"

// drawUnique lets some plans have a deduplication id.
func (p *plan) drawUnique(t *rapid.T) {
	if p.mood == orderly || rapid.IntRange(0, 4).Draw(t, "unique") > 0 {
		return
	}
	asks := make([]ask, rapid.IntRange(2, 8).Draw(t, "asks"))
	at := moment(t, "first", 0, 15*time.Second)
	for i := range asks {
		asks[i] = ask{at, rapid.Bool().Draw(t, "keep")}
		at += moment(t, "until the next", 10*time.Millisecond, 2*time.Second)
	}
	j := p.drawJob(t)
	j.options.Delay, j.options.KeepCompleted, j.options.KeepFailed = 0, nil, nil
	p.unique = unique{asks, j}
}

// addUnique adds a job under a deduplication id, as Node does; sent again, it
// does nothing. It returns what became of the job.
var addUnique = redis.NewScript(`
	local base, dedup, id, name = ARGV[1], ARGV[2], ARGV[3], ARGV[2]
	local own, after = base .. 'de:' .. dedup, base .. 'dn:' .. dedup
	if redis.call('EXISTS', base .. id) == 1 then return 'added' end
	local owner = redis.call('GET', own)
	if owner then
		local kept = ARGV[6] == '1' and redis.call('LPOS', base .. 'active', owner) and '1' or '0'
		redis.call('XADD', base .. 'events', '*', 'event', 'deduplicated', 'jobId', owner,
			'deduplicatedJobId', id, 'kept', kept)
		if kept == '1' then
			redis.call('HSET', after, 'name', name, 'data', '{}', 'opts', ARGV[4], 'jid', id)
			return 'kept'
		end
		return 'dropped'
	end
	redis.call('SET', own, id)
	local t = redis.call('TIME')
	redis.call('XADD', base .. 'events', '*', 'event', 'added', 'jobId', id, 'name', name)
	redis.call('HSET', base .. id, 'name', name, 'data', '{}', 'opts', ARGV[4], 'delay', '0', 'priority', ARGV[5],
		'timestamp', string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000)), 'deid', dedup)
	redis.call('INCR', base .. 'id')
	redis.call('HSETNX', base .. 'meta', 'opts.maxLenEvents', '10000')
	if ARGV[5] == '0' then
		redis.call('LPUSH', base .. 'wait', id)
	else
		local number = redis.call('INCR', base .. 'pc')
		redis.call('ZADD', base .. 'prioritized', string.format('%.0f', ARGV[5] * 4294967296 + number), id)
	end
	redis.call('XADD', base .. 'events', '*', 'event', 'waiting', 'jobId', id)
	if redis.call('HEXISTS', base .. 'meta', 'paused') == 0 then redis.call('ZADD', base .. 'marker', 0, '0') end
	return 'added'`)

// dedup makes the plan's adds with a deduplication id, one after the other.
func (w *world) dedup() {
	keys := wire.NewKeys("", queueName)
	o := w.plan.unique.job.options
	o.Foreign = map[string]json.RawMessage{"de": json.RawMessage(`{"id":"` + onlyOne + `"}`)}
	opts, err := wire.EncodeOptions(o)
	w.breaks("encode the options of a unique job", err)
	for i, a := range w.plan.unique.asks {
		w.at(a.at)
		keep := map[bool]string{true: "1", false: "0"}[a.keep]
		w.insist("add a unique job", func(ctx context.Context) error {
			return addUnique.Run(ctx, w.overseer, []string{keys.Meta()}, keys.Base(), onlyOne, onlyOne+"-"+strconv.Itoa(i), opts,
				stored(o.Priority), keep).Err()
		})
	}
}

func isUnique(id string) bool { return strings.HasPrefix(id, onlyOne+"-") }

// notUnique: there is one job at a time under a deduplication id; no add is
// turned away on behalf of a job that has ended; and what was kept last is added
// in the moment in which the owner ends.
func (w *world) notUnique(stories []*story) (broken []string) {
	var owners []*story // in the order in which they were added
	for _, s := range stories {
		if isUnique(s.id) {
			owners = append(owners, s)
		}
	}
	for i, s := range owners {
		added, _ := s.first(jobs.EventAdded)
		if i > 0 && added.Before(owners[i-1].outcomeAt()) {
			broken = append(broken, fmt.Sprintf("unique: job %s was added at %s, before %s ended at %s",
				s.id, clock(added), owners[i-1].id, clock(owners[i-1].outcomeAt())))
		}
		broken = append(broken, s.wronglyTurnedAway()...)
		if kept := s.keptLast(); kept != "" && (i+1 == len(owners) || owners[i+1].id != kept) {
			broken = append(broken, fmt.Sprintf("unique: job %s was kept for the end of %s and is not the next", kept, s.id))
		}
	}
	return broken
}

// outcomeAt is when the job ended.
func (s *story) outcomeAt() (at time.Time) {
	for _, e := range s.told {
		if e.event == jobs.EventCompleted || e.event == jobs.EventFailed {
			at = e.at
		}
	}
	return at
}

func (s *story) wronglyTurnedAway() (broken []string) {
	for _, e := range s.told {
		if e.event == jobs.EventDeduplicated && e.at.After(s.outcomeAt()) {
			broken = append(broken, fmt.Sprintf("unique: job %s was turned away at %s because of %s, which ended at %s",
				e.other, clock(e.at), s.id, clock(s.outcomeAt())))
		}
	}
	return broken
}

// keptLast is the job that is to be added when this one ends, or "".
func (s *story) keptLast() (id string) {
	for _, e := range s.told {
		if e.event == jobs.EventDeduplicated && e.kept {
			id = e.other
		}
	}
	return id
}
