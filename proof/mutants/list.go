package mutants

// Mutant is one planted bug.
type Mutant struct {
	Name     string
	File     string // under internal/jobs
	Old, New string // the text and what takes its place; Old is there exactly once
	Why      string // what goes wrong then
	Scenario string // of package storm, in which it shows
	Fast     bool   // one of those that every change is tested with
}

const (
	scripts = "internal/broker/scripts/"
	include = scripts + "include/"
)

// All are the mutants there are. Texts are short and chosen to outlive changes
// around them.
func All() []Mutant {
	return append(append(inScripts(), inWorker()...), inQueue()...)
}

func inScripts() []Mutant {
	return []Mutant{
		{
			Name: "a finish by whoever asks", File: scripts + "settle.lua", Scenario: "frozen",
			Old: "if owners[n] ~= ARGV[i + 2] then code", New: "if false then code",
			Why: "the lock is not looked at, so a zombie finishes what another one runs",
		},
		{
			Name: "a finished job stays active", File: scripts + "settle.lua", Scenario: "burst",
			Old: "if was_active then occurrences[id] = occurrences[id] - 1 end", New: "",
			Why: "jobs that end together are written to completed and never leave active",
		},
		{
			Name: "a lone finished job stays active", File: scripts + "settle.lua", Scenario: "lone",
			Old: "was_active = call('LREM', active, -1, id) == 1", New: "was_active = true",
			Why: "the same for one that ends alone",
		},
		{
			Name: "a lock stays", File: scripts + "settle.lua", Scenario: "lone",
			Old: "freed_locks[k], freed_ids[k] = locks[n], id", New: "freed_locks[k], freed_ids[k] = KEYS[2], id",
			Why: "locks outlive their jobs; with one that is asked to finish again, a finish is accepted twice",
		},
		{
			Name: "a failure is forgotten", File: include + "unfinished.lua", Scenario: "calm",
			Old: "put_off(id, now + delay)", New: "",
			Why: "a job that is to be tried again later is nowhere",
		},
		{
			Name: "a hand-back counts", File: include + "unfinished.lua", Scenario: "restarts", Fast: true,
			Old: "if kind ~= 'snooze' and kind ~= 'release' then\n    redis", New: "if true then\n    redis",
			Why: "each deployment uses up an attempt of the jobs it interrupts",
		},
		{
			Name: "a repeated outcome is refused", File: include + "unfinished.lua", Scenario: "losses",
			Old: "if ARGV[3] == '0' then return false end", New: "if true then return false end",
			Why: "the outcome whose reply was lost is accepted and called lost",
		},
		{
			Name: "a lock that is not renewed", File: scripts + "renew.lua", Scenario: "hiccups",
			Old: "redis.call('SET', base .. id .. ':lock', token, 'PX', ARGV[2])\n  kept[#kept + 1] = id", New: "",
			Why: "a lock is called renewed and is not, so long jobs run twice",
		},
		{
			Name: "a lock that nobody looks at", File: scripts + "sweep.lua", Scenario: "frozen",
			Old: "if lock then\n    running", New: "if false then\n    running",
			Why: "the sweep takes back what is running",
		},
		{
			Name: "a job given back to nobody", File: scripts + "sweep.lua", Scenario: "deaths", Fast: true,
			Old: "redis.call('RPUSH', wait, id)", New: "",
			Why: "what a dead worker had is in no place any more",
		},
		{
			Name: "nobody sweeps", File: scripts + "sweep.lua", Scenario: "deaths",
			Old: "gone[#gone + 1] = id", New: "if true then return end",
			Why: "what a dead worker had stays in active for ever",
		},
		{
			Name: "a death counts", File: scripts + "sweep.lua", Scenario: "deaths",
			Old: "event('stalled', 'jobId', id)", New: "redis.call('HINCRBY', job, 'atm', 1) event('stalled', 'jobId', id)",
			Why: "each death of a worker uses up an attempt of its jobs",
		},
		{
			Name: "the same job again", File: scripts + "add.lua", Scenario: "crashes",
			Old: "if not exists then return nil end", New: "if true then return nil end",
			Why: "an add that is repeated puts the job in line a second time",
		},
		{
			Name: "no marker", File: scripts + "add.lua", Scenario: "lone", Fast: true,
			Old: "any_now = true", New: "any_now = false",
			Why: "a job that is added wakes nobody",
		},
		{
			Name: "one in five hundred", File: scripts + "add.lua", Scenario: "calm", Fast: true,
			Old: "if not code then\n    local ms", New: "if string.find(id, '%-477$') then code = 0 end\n  if not code then\n    local ms",
			Why: "one job is acknowledged and not stored",
		},
		{
			Name: "jobs too early", File: include + "promote.lua", Scenario: "calm", Fast: true,
			Old: "int((now + 1) * 4096 - 1)", New: "'+inf'",
			Why: "when one delayed job is due, all are",
		},
		{
			Name: "a due job is dropped", File: include + "promote.lua", Scenario: "calm",
			Old: "redis.call('LPUSH', wait, unpack(plain))", New: "",
			Why: "a delayed job without a priority is nowhere when it is due",
		},
		{
			Name: "the last of a priority first", File: scripts + "settle.lua", Scenario: "order", Fast: true,
			Old: "try('ZPOPMIN', prioritized", New: "try('ZPOPMAX', prioritized",
			Why: "the line is served from its end",
		},
		{
			Name: "the newest in line first", File: scripts + "settle.lua", Scenario: "order",
			Old: "try('LMOVE', wait, active, 'RIGHT', 'LEFT')", New: "try('LMOVE', wait, active, 'LEFT', 'LEFT')",
			Why: "the line is served from its end, one at a time",
		},
		{
			Name: "taken and not active", File: scripts + "settle.lua", Scenario: "calm",
			Old: "call('LPUSH', active, unpack(ids))", New: "",
			Why: "jobs that are taken together are in no place while they run",
		},
	}
}

func inWorker() []Mutant {
	return []Mutant{
		{
			Name: "locks renewed late", File: "worker/keeper.go", Scenario: "hiccups",
			Old: "now.Sub(a.renewed) < p.options.LockDuration/3", New: "now.Sub(a.renewed) < 20*p.options.LockDuration",
			Why: "the lock of a long job runs out under it",
		},
		{
			Name: "one token for all", File: "worker/pool.go", Scenario: "frozen",
			Old: `p.identity + ":" + strconv.FormatUint(p.calls.Add(1), 10)`, New: `"token:" + strconv.FormatUint(0*p.calls.Add(1), 10)`,
			Why: "nobody can tell a zombie from the owner",
		},
		{
			Name: "every end is a success", File: "worker/verdict.go", Scenario: "calm",
			Old: "case e.err == nil:", New: "case e.err == nil || true:",
			Why: "a job that failed is called completed",
		},
		{
			Name: "one attempt less", File: "worker/verdict.go", Scenario: "calm",
			Old: "job.AttemptsMade+1 >= job.MaxAttempts()", New: "job.AttemptsMade+2 >= job.MaxAttempts()",
			Why: "a job that would succeed at its last attempt fails before it",
		},
		{
			Name: "a shutdown is a failure", File: "worker/verdict.go", Scenario: "restarts",
			Old: "case errors.Is(e.cause, jobs.ErrShutdown):", New: "case errors.Is(e.cause, jobs.ErrShutdown) && e.err == nil:",
			Why: "what a deployment interrupts has failed",
		},
		{
			Name: "a panic is nothing", File: "worker/run.go", Scenario: "calm", Fast: true,
			Old: "result, err = nil, &PanicError{Value: value, Stack: string(debug.Stack())}", New: "_ = debug.Stack()",
			Why: "a handler that panics has succeeded",
		},
		{
			Name: "an outcome is mislaid", File: "worker/exchange.go", Scenario: "burst",
			Old: "x.left = append(x.left, ended)", New: "if len(x.left) < 1 { x.left = append(x.left, ended) }",
			Why: "of two jobs that end at the same time, only one is reported",
		},
		{
			Name: "the innocent die with the guilty", File: "worker/sweeper.go", Scenario: "deaths",
			Old: "limit := -1", New: "limit := 0",
			Why: "a job fails because its worker was killed",
		},
		{
			Name: "poison for ever", File: "worker/attempt.go", Scenario: "poison",
			Old: "lonelyDeaths = 3", New: "lonelyDeaths = 3000",
			Why: "a job that kills its workers is never stopped",
		},
		{
			Name: "a hasty stop", File: "worker/pool.go", Scenario: "restarts",
			Old: "p.upkeepers.Wait()", New: "_ = 0",
			Why: "nothing that a campaign could see; it is here to show that harmless changes raise no alarm",
		},
	}
}

func inQueue() []Mutant {
	return []Mutant{
		{
			Name: "acknowledged before it is written", File: "queue/join.go", Scenario: "crashes",
			Old: "case <-e.done:\n\t\treturn e.existed, e.err", New: "default:\n\t\treturn false, nil",
			Why: "a 202 says nothing about Redis",
		},
		{
			Name: "doubt is called failure", File: "queue/join.go", Scenario: "crashes",
			Old: `"%w: no answer in time: %w", jobs.ErrUnavailable`, New: `"%w: no answer in time: %w", errors.Join(ErrClosed, error(jobs.Invalid("x", "y")))`,
			Why: "a caller is told that a job is not there which may be there",
		},
		{
			Name: "everything was there already", File: "queue/join.go", Scenario: "burst",
			Old: "e.existed = existed[i]", New: "e.existed = existed[i] || true",
			Why: "a first add is called a repetition",
		},
		{
			Name: "the same id for all", File: "queue/add.go", Scenario: "lone",
			Old: "return id.String(), nil", New: `return id.String()[:8], nil`,
			Why: "ids that are made in the same minute are the same, and all but one job are lost",
		},
		{
			Name: "the client's clock", File: "internal/broker/broker.go", Scenario: "calm",
			Old: "return &Broker{redis: client,", New: "return &Broker{now: time.Now().UnixMilli(), redis: client,",
			Why: "a process that stands still or is set wrong decides what is due",
		},
		{
			Name: "resent and not said so", File: "internal/broker/broker.go", Scenario: "losses",
			Old: "args[c.resent+1] = try + 1", New: "args[c.resent+1] = 0",
			Why: "scripts take a repetition for something new",
		},
		{
			Name: "what is unavailable is denied", File: "internal/broker/broker.go", Scenario: "crashes",
			Old: "if !errors.Is(err, jobs.ErrUnavailable) {", New: "if err = errors.New(err.Error()); !errors.Is(err, jobs.ErrUnavailable) {",
			Why: "one lost connection is an error of the add",
		},
	}
}
