package tally

// Goals are what the product promises itself, for medians of a full run on two
// cores. A goal that turns out too easy is raised here.
func Goals() []Goal {
	return []Goal{
		atLeast("drain/1", Rate, 2.2).times(BullMQ), atLeast("drain/1", Rate, 1.5).times(Asynq),
		atLeast("drain/10", Rate, 2.5).times(BullMQ), atLeast("drain/10", Rate, 3).times(Asynq),
		atLeast("drain/100", Rate, 4).times(BullMQ), atLeast("drain/100", Rate, 8).times(Asynq),
		atMost("drain/10", RedisMicros, 0.5).times(BullMQ),
		atMost("drain/100", RedisMicros, 0.3).times(BullMQ),

		atLeast("add/50", Rate, 2.5).times(BullMQ), atLeast("add/50", Rate, 1.4).times(Asynq),
		atLeast("bulk", Rate, 3).times(BullMQ), atLeast("bulk", Rate, 1.7).times(Asynq),
		atLeast("add/1", Rate, 2).times(BullMQ),

		atMost("pickup", P50, 1), atMost("pickup", P99, 7),
		atMost("due", Last, 800), atLeast("due", Earliest, 0),
		atMost("idle", PerSecond, 4),
		atMost("product/worker/idle", RSS, 30), atMost("product/api/idle", RSS, 40),

		atMost("backlog/waiting/big/add", RedisMicros, 1.05).than("backlog/waiting/small/add"),
		atMost("backlog/prioritized/big/add", RedisMicros, 1.3).than("backlog/prioritized/small/add"),
		atMost("backlog/delayed/big/add", RedisMicros, 1.3).than("backlog/delayed/small/add"),
		atMost("backlog/waiting/big/drain", RedisMicros, 1.3).than("backlog/waiting/small/drain"),
		atMost("backlog/prioritized/big/drain", RedisMicros, 1.3).than("backlog/prioritized/small/drain"),
		atMost("backlog/delayed/big/drain", RedisMicros, 1.3).than("backlog/delayed/small/drain"),

		atLeast("always/drain/10", Rate, 1.5).times(BullMQ), atLeast("always/drain/10", Rate, 4).times(Asynq),
		atLeast("always/drain/100", Rate, 2).times(BullMQ), atLeast("always/drain/100", Rate, 10).times(Asynq),

		atLeast("http/accept", Rate, 0.6).times(Bare),
		atMost("http/accept", P99, 20), atMost("http/accept", Scripts, 0.1),

		// What the format allows, beside what the tests of the queue hold as
		// limits in package gates.
		atMost("add/1", Commands, 7), atMost("add/50", Commands, 3.3),
		atMost("drain/1", Commands, 16), atMost("drain/10", Commands, 9), atMost("drain/100", Commands, 7.5),
		atMost("drain/1", Scripts, 1), atMost("drain/10", Scripts, 0.2), atMost("drain/100", Scripts, 0.03),
	}
}

func atLeast(workload string, m Metric, limit float64) Goal {
	return Goal{Workload: workload, Metric: m, Limit: limit, AtLeast: true}
}

func atMost(workload string, m Metric, limit float64) Goal {
	return Goal{Workload: workload, Metric: m, Limit: limit}
}

func (g Goal) times(s System) Goal {
	g.Times = s
	return g
}

func (g Goal) than(workload string) Goal {
	g.Than = workload
	return g
}
