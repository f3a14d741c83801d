// Package outbox carries jobs from SQL to Redis.
//
// A program that writes a row and then adds a job can die between the two.
// With an outbox the promise of the job is a row in the same transaction, and a
// relay keeps the promise later:
//
//	transaction: the user's row + an Entry ──commit──▶ Wake
//	Relay: claim due entries ──▶ Enqueue under Entry.ID ──▶ mark sent
//	             ▲                   │
//	             └── next_at later ──┘  it failed
//
// A relay may die after Enqueue and before the mark; the entry is then added
// again. Because its job id is fixed, the queue sees that the job is there. So
// each entry gives exactly one job, at least as long as the queue remembers the
// job. Several relays may run at once: each claims entries that no other has.
//
// While Redis is away a relay keeps asking with a single entry, twice a second,
// so that everything is on its way within a second of its return.
package outbox
