package simulation

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// bug is a mistake in the scripts: each pair is a piece of their text, and what
// stands there instead.
type bug struct {
	name  string
	pairs []string
	by    string // the rule that has to find it; "" is any
	most  int    // how many plans it may survive; 0 is enough
}

var bugs = []bug{
	{name: "the marker is forgotten when jobs arrive", pairs: []string{
		"if any_now and not paused and not", "if false and not",
	}},
	{name: "the marker of delayed jobs is forgotten", pairs: []string{
		"redis.call('ZADD', marker, int(due_of(head[2])), '1')", "",
		"next_due and int(next_due) or '0', limited_ms, left }", "'0', limited_ms, left }",
	}},
	{name: "the lock is not looked at when an attempt ends", pairs: []string{
		"if owners[n] ~= ARGV[i + 2] then code", "if false then code",
	}},
	{name: "an attempt that ends twice is accepted twice", pairs: []string{
		"if owners[n] ~= ARGV[i + 2] then code", "if false then code",
		"if not was_active and not missing then code = owners[n] and -3 or -2 end", "",
	}},
	{name: "a job is taken without a lock", pairs: []string{
		"call('SET', job .. ':lock', token, 'PX', ARGV[5])", "",
	}},
	{name: "a lock is not renewed", pairs: []string{
		"redis.call('SET', base .. id .. ':lock', token, 'PX', ARGV[2])", "",
	}},
	// Only the model of a life finds it: by 179, 220, 408 and, once, more than 600 plans.
	{name: "another's lock is renewed", most: 3_000, pairs: []string{
		"if lock and lock ~= token then return -6 end", "",
		"if not lock and not still_ours(id, ARGV[i + 2]) then return -2 end", "",
	}},
	{name: "a job that is taken back is put nowhere", pairs: []string{
		"redis.call('RPUSH', wait, id)\n  event('waiting', 'jobId', id, 'prev', 'active')\n  event('stalled'",
		"event('waiting', 'jobId', id, 'prev', 'active')\n  event('stalled'",
	}},
	{name: "a job is taken back while it is locked", pairs: []string{
		"  if lock then\n    running[#running + 1] = id", "  if false then\n    running[#running + 1] = id",
		"elseif suspect == 0 or late then", "elseif suspect == 0 then",
	}},
	{name: "delayed jobs run early", pairs: []string{
		"if not next_due or next_due > now then return end", "if not next_due then return end",
		"int((now + 1) * 4096 - 1)", "'+inf'",
		"if next_due and next_due <= tonumber(now_text) then seldom()", "if next_due then seldom()",
	}},
	{name: "a job that is handed back has made an attempt", pairs: []string{
		"if kind ~= 'snooze' and kind ~= 'release' then\n    redis.call('HSET', job, 'failedReason'",
		"if kind ~= 'snooze' then\n    redis.call('HSET', job, 'failedReason'",
	}},
	{name: "a snooze is counted", pairs: []string{
		"if kind ~= 'snooze' and kind ~= 'release' then\n    redis.call('HSET', job, 'failedReason'",
		"if kind ~= 'release' then\n    redis.call('HSET', job, 'failedReason'",
	}},
	{name: "the least urgent job runs first", pairs: []string{
		"try('ZPOPMIN', prioritized", "try('ZPOPMAX', prioritized",
	}},
	{name: "the latest job runs first", pairs: []string{
		"+ (last - n + i) % 4294967296)", "+ 1000000 - (last - n + i))",
	}},
	{name: "an add whose reply was lost is done again", pairs: []string{
		"if exists and origin == 'made' then return 0 end", "",
		"if resent then\n      local word", "if false then\n      local word",
		"if not exists then return nil end", "if not exists or resent then return nil end",
	}},
	{name: "a failure burns no attempt", pairs: []string{
		"'stacktrace', ARGV[i + 6], 'atm', int(atm))\n  end\n  wait_again", "'stacktrace', ARGV[i + 6])\n  end\n  wait_again",
	}},
	{name: "a finished job keeps its place among the active", pairs: []string{
		"was_active = call('LREM', active, -1, id) == 1", "was_active = true",
		"if was_active then occurrences[id] = occurrences[id] - 1 end", "",
	}},
	{name: "a job that is to run at a moment runs at once", by: "early", pairs: []string{
		"math.max(0, at - now), tonumber(at)", "math.max(0, at - now), now",
	}},
	{name: "of many jobs in one call the last is forgotten", by: "torn", pairs: []string{
		"if not code then\n    local ms", "if n > 1 and n == #keys then code = 0 end\n  if not code then\n    local ms",
	}},
	{name: "the jobs of one call wait in reverse", by: "order", pairs: []string{
		"(last - n + i) % 4294967296", "(last - i + 1) % 4294967296",
	}},
	{name: "a job that gets another priority goes to that of the most urgent", by: "order", pairs: []string{
		"enqueue(id, priority, ARGV[4])", "enqueue(id, 1, ARGV[4])",
	}},
	{name: "a changed priority is not stored", by: "rank", pairs: []string{
		"redis.call('HSET', base .. id, 'priority', int(priority))\nif not waits", "if not waits",
	}},
	{name: "a job that is put off by hand runs at once", by: "put off", pairs: []string{
		"redis.call('HSET', base .. id, 'delay', int(delay))\nput_off(id, now + delay)", "put_off(id, now)",
	}},
	{name: "a schedule forgets which run is next", by: "schedule", pairs: []string{
		"redis.call('ZADD', schedule, int(next), scheduler)", "",
	}},
	{name: "a run that is tried again makes another next one", by: "schedule", pairs: []string{
		"if ARGV[4] ~= 'repeat:' .. scheduler .. ':' .. int(tonumber(pending)) then return '' end", "",
	}},
	{name: "the next run of a schedule comes at once", by: "early", pairs: []string{
		"if delay > 0 then\n  put_off(id, now + delay)", "if delay > 0 then\n  put_off(id, now)",
	}},
	{name: "a job that has ended keeps its deduplication key", by: "unique", pairs: []string{
		"if ttl == 0 or (ttl == -1 and redis.call('GET', key) == id) then redis.call('DEL', key) end", "",
	}},
	{name: "what was kept for afterwards is forgotten", by: "unique", pairs: []string{
		"  add_kept(dedup_id)\n", "",
	}},
	{name: "starts are not counted towards the rate limit", by: "limit", pairs: []string{
		"if limit and not deferred then seldom()", "if false then seldom()",
	}},
	{name: "a rate limit is said to hold for too long", by: "idle", pairs: []string{
		"if ttl > 0 then return 0, ttl end", "if ttl > 0 then return 0, 20 * ttl end",
	}},
	{name: "a limit that was forced does not hold", by: "halt", pairs: []string{
		"if used < limit then return", "if used > 1000 then return want, 0 end\n  if used < limit then return",
	}},
}

// enough is how many plans a bug may survive, unless it says otherwise.
const enough = 600

func TestPlantedBugsAreFound(t *testing.T) {
	if raceEnabled {
		t.Skip("too slow under the race detector; CI runs it without")
	}
	for _, b := range bugs {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			var planted [8]atomic.Bool
			rewrite := func(script string) string { return b.plant(script, planted[:]) }
			most := cmp.Or(b.most, enough)
			for seed := 1; seed <= most; seed++ {
				broken := play(t, planOf(seed), rewrite)
				for i := range len(b.pairs) / 2 {
					if !planted[i].Load() && seed == 20 {
						t.Fatalf("no script has the text any more in which to plant it:\n%s", b.pairs[2*i])
					}
				}
				if i := slices.IndexFunc(broken, b.foundBy); i >= 0 {
					t.Logf("found by seed %d: %s", seed, cutAt(broken[i], 160))
					return
				}
			}
			t.Errorf("not found by %d seeds", most)
		})
	}
}

func (b bug) foundBy(finding string) bool { return strings.HasPrefix(finding, b.by) }

// plant puts the bug into a script that has the text, and notes which pieces
// have found their place.
func (b bug) plant(script string, planted []atomic.Bool) string {
	for i := 0; i < len(b.pairs); i += 2 {
		spoiled := strings.ReplaceAll(script, b.pairs[i], b.pairs[i+1])
		if spoiled != script {
			planted[i/2].Store(true)
		}
		script = spoiled
	}
	return script
}

func cutAt(text string, n int) string { return text[:min(n, len(text))] }
