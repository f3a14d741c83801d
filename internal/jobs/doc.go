// Package jobs is the words of the job queue: what a job is, what can be said of
// it, and what can go wrong. It imports only the standard library. The rooms
// around it are named for whoever meets a queue:
//
//	queue       who adds jobs
//	worker      who runs them
//	admin       who operates a queue: looks, retries, pauses, cleans
//	events      who watches
//	cron        when a cron line is due next; pure
//	redisconn   how Redis is reached, and whether it is fit for jobs
//	jobstest    a queue on a real Redis, for one test
//
// Jobs are stored in BullMQ's format, so that Node producers, Node workers and
// BullMQ's dashboards share a queue with this package. docs/protocol.md says what
// is written and where we differ.
//
// # A job's life
//
//	              ┌▶ waiting-children ◀──────────┐  (flows of other clients)
//	              │     │ children done          │
//	              │     ▼          take          │        finish
//	add ──────────┼▶ waiting ─────────────────▶ active ─────────▶ completed
//	              │   ▲   ▲                      │ │ └──────────▶ failed
//	              │   │   └── lock lost: stalled ┘ │
//	              │   │ due                        │
//	              └▶ delayed ◀─────────────────────┘  retry with backoff, snooze
//
// waiting is a list; with a priority, a job waits in a sorted set beside it.
//
// # What is promised
//
// An accepted job is run until it has an outcome: it completes, or fails for
// good, or is removed by hand. It may run more than once, so handlers take care
// that a second run does no harm; its outcome is accepted once. An attempt that
// ended with its worker's death, with a shutdown or with a snooze is not counted.
// Every operation can be sent twice: a lost reply makes no second job.
package jobs
