// Package work is the words between the program that compares and the processes
// that it measures. Each system runs in a child process of its own, so that the
// CPU it spends is its own. They speak JSON lines: the parent on the child's
// standard input, the child on its standard output.
//
//	parent                       child
//	{"work": {…}}        ──▶     prepares: connects, fills queues, makes workers
//	                     ◀──     {"ready": true}
//	INFO
//	{"go": true}         ──▶     does the work, and only that
//	                     ◀──     {"result": {…}}
//	INFO
//	{"end": true}        ──▶     closes what the work had open
//	                     ◀──     {"ended": true}
//
// What goes wrong comes back as {"error": "…"}, and the child ends. A child does
// one work after the other until its input ends.
package work

// Kind is what a child is asked to do.
type Kind string

// The kinds. What a field of Work means for a kind is said here; others are
// ignored.
const (
	Add     Kind = "add"     // Jobs by Producers, each waiting for every answer
	Bulk    Kind = "bulk"    // Jobs in calls of 1,000
	Fill    Kind = "fill"    // like bulk, of the kind that Backlog names
	Drain   Kind = "drain"   // Concurrency handlers that do nothing, until Jobs have finished
	Mixed   Kind = "mixed"   // Jobs by Producers while Concurrency handlers take them
	Pickup  Kind = "pickup"  // Rate jobs a second for Seconds: from add to the handler's start
	Due     Kind = "due"     // Jobs that become due at one moment, for Concurrency handlers
	Idle    Kind = "idle"    // workers on Queues queues, without a job, for Seconds
	Retries Kind = "retries" // Jobs that fail twice and then pass, with no delay between
	Load    Kind = "load"    // Jobs requests to Target by Producers on connections that stay open
	Consume Kind = "consume" // like drain, on a queue that others fill
	Sip     Kind = "sip"     // like drain, the first Jobs of a queue that holds many more
)

// Backlog is where the jobs of a work stand before they run.
type Backlog string

// The backlogs. The empty one is what the system does by default.
const (
	Waiting     Backlog = "waiting"     // in a plain line, without a priority
	Prioritized Backlog = "prioritized" // by priority
	Delayed     Backlog = "delayed"     // due in a day
)

// Work is one measurement.
type Work struct {
	Kind        Kind    `json:"kind"`
	Queue       string  `json:"queue"`
	Jobs        int     `json:"jobs,omitempty"`
	Producers   int     `json:"producers,omitempty"`
	Concurrency int     `json:"concurrency,omitempty"`
	Queues      int     `json:"queues,omitempty"`
	Rate        int     `json:"rate,omitempty"`    // jobs a second
	Target      string  `json:"target,omitempty"`  // host:port
	Seconds     float64 `json:"seconds,omitempty"` // of wall time
	Backlog     Backlog `json:"backlog,omitempty"`
}

// Result is what a child saw of its work.
type Result struct {
	Jobs       int     `json:"jobs"`             // done
	Seconds    float64 `json:"seconds"`          // from the start of the work to its end
	CPUMicros  float64 `json:"cpuMicros"`        // user and system time that the child spent in them
	RSSBytes   float64 `json:"rssBytes"`         // resident memory at the end
	P50Ms      float64 `json:"p50Ms,omitempty"`  // from add to the handler's start
	P99Ms      float64 `json:"p99Ms,omitempty"`  //
	EarliestMs float64 `json:"earliestMs"`       // the first start, after the due time; negative is early
	LastMs     float64 `json:"lastMs,omitempty"` // the last start, after the due time
	Failed     int     `json:"failed,omitempty"` // requests that were not answered as they should
}

// Order is a line from the parent. One field is set.
type Order struct {
	Work *Work `json:"work,omitempty"`
	Go   bool  `json:"go,omitempty"`
	End  bool  `json:"end,omitempty"`
}

// Answer is a line from the child. One field is set.
type Answer struct {
	Ready  bool    `json:"ready,omitempty"`
	Result *Result `json:"result,omitempty"`
	Ended  bool    `json:"ended,omitempty"`
	Error  string  `json:"error,omitempty"`
}
