package main

import (
	"fmt"

	"github.com/tandemq/tandem/bench/internal/tally"
)

// sections are the tables of the page.
func sections(o options) []tally.Section {
	return []tally.Section{
		section("Jobs per second", rows(tally.Rate, works()...),
			"Jobs without priority, all kept when done but asynq's. asynq has no bulk call: 200 callers at once are its fastest."),
		section("Redis CPU, µs per job", rows(tally.RedisMicros, works()...), ""),
		section("Commands per job, those that scripts call included", rows(tally.Commands, works()...), ""),
		section("Script calls per job", rows(tally.Scripts, works()...), ""),
		section("Client CPU, µs per job", rows(tally.ClientMicros, works()...), "User and system time of the process that adds or works."),
		section("Memory", memoryRows(), "Redis, bytes per stored job, and what processes have in RAM. What is a process's own is anonymous memory; pages of files, "+
			"its program above all, the kernel can take back when it needs them."),
		section("Latency", latencyRows(), ""),
		section("Idle: workers on three queues, commands per second",
			[]tally.Row{{Workload: "idle", Label: "for 20 s", Metric: tally.PerSecond}},
			"Heartbeats and the look for jobs of dead workers included: every 5 s in Tandem, every 30 s in BullMQ."),
		section("appendfsync everysec, jobs per second", rows(tally.Rate, logged("everysec")...), ""),
		section("appendfsync always, jobs per second", rows(tally.Rate, logged("always")...), ""),
		{Title: "A long backlog, Redis CPU in µs per job", Systems: []tally.System{tally.Tandem}, Rows: backlogRows(o)},
		{Title: "The whole way: 64 clients post to /api/v1/emails", Systems: []tally.System{tally.Tandem, tally.Bare}, Rows: httpRows(),
			Words: "The api asks for a key and runs alone in the first rows; in the last ones a worker takes the jobs at the same time, on the same cores."},
	}
}

func section(title string, rows []tally.Row, words string) tally.Section {
	return tally.Section{Title: title, Words: words, Systems: everybody(), Rows: rows}
}

type labelled struct{ id, label string }

func works() []labelled {
	return []labelled{
		{"add/1", "add, one at a time"}, {"add/50", "add, 50 producers"}, {"bulk", "add, in bulk"},
		{"drain/1", "drain, concurrency 1"}, {"drain/5", "drain, concurrency 5"},
		{"drain/10", "drain, concurrency 10"}, {"drain/100", "drain, concurrency 100"},
		{"mixed", "10 producers and 10 handlers together"}, {"retries", "jobs that fail twice, concurrency 10"},
	}
}

func logged(fsync string) []labelled {
	return []labelled{
		{fsync + "/add/50", "add, 50 producers"},
		{fsync + "/drain/10", "drain, concurrency 10"}, {fsync + "/drain/100", "drain, concurrency 100"},
	}
}

func rows(m tally.Metric, works ...labelled) []tally.Row {
	var list []tally.Row
	for _, w := range works {
		list = append(list, tally.Row{Workload: w.id, Label: w.label, Metric: m})
	}
	return list
}

func memoryRows() []tally.Row {
	list := []tally.Row{
		{Workload: "bulk", Label: "bytes in Redis per waiting job", Metric: tally.MemoryPerJob},
		{Workload: "drain/100", Label: "MiB of a client, concurrency 100", Metric: tally.RSS},
	}
	for _, of := range []labelled{
		{"product/api/idle", "cmd/api at rest"}, {"product/api/busy", "cmd/api after the load"},
		{"product/worker/idle", "cmd/worker at rest"}, {"product/worker/busy", "cmd/worker after sending mails"},
	} {
		list = append(list,
			tally.Row{Workload: of.id, Label: "MiB of " + of.label, Metric: tally.RSS},
			tally.Row{Workload: of.id, Label: "– of them its own", Metric: tally.Anonymous},
			tally.Row{Workload: of.id, Label: "– of them its program and other files", Metric: tally.FileBacked})
	}
	return list
}

func latencyRows() []tally.Row {
	return []tally.Row{
		{Workload: "pickup", Label: "200 jobs/s, add to start, p50 ms", Metric: tally.P50},
		{Workload: "pickup", Label: "200 jobs/s, add to start, p99 ms", Metric: tally.P99},
		{Workload: "due", Label: "due at once: all started, ms", Metric: tally.Last},
		{Workload: "due", Label: "due at once: the first started, ms", Metric: tally.Earliest},
	}
}

func backlogRows(o options) []tally.Row {
	var list []tally.Row
	for _, kind := range []string{"waiting", "prioritized", "delayed"} {
		for _, what := range []string{"add", "drain"} {
			for _, size := range []string{"small", "big"} {
				n := map[string]int{"small": smallBacklog, "big": o.backlog}[size]
				list = append(list, tally.Row{
					Workload: fmt.Sprintf("backlog/%s/%s/%s", kind, size, what),
					Label:    fmt.Sprintf("%s, %s %s", what, tally.Count(n), kind), Metric: tally.RedisMicros,
				})
			}
		}
	}
	return list
}

func httpRows() []tally.Row {
	return []tally.Row{
		{Workload: "http/accept", Label: "requests/s", Metric: tally.Rate},
		{Workload: "http/accept", Label: "p50 ms", Metric: tally.P50},
		{Workload: "http/accept", Label: "p99 ms", Metric: tally.P99},
		{Workload: "http/accept", Label: "script calls per request", Metric: tally.Scripts},
		{Workload: "http/accept", Label: "commands per request", Metric: tally.Commands},
		{Workload: "http/accept", Label: "server CPU, µs per request", Metric: tally.ClientMicros},
		{Workload: "http/path", Label: "to a handler's end, jobs/s", Metric: tally.Rate},
		{Workload: "http/path", Label: "to a handler's end, request p50 ms", Metric: tally.P50},
		{Workload: "http/path", Label: "to a handler's end, request p99 ms", Metric: tally.P99},
	}
}
