// Package storm lets faults happen to real processes, and keeps count.
//
//	producers ──▶ proxy ──┐                ┌── proxy ◀── worker process
//	                      ├──▶ a Redis ◀───┤
//	follower ─────────────┘   (fsync always)└── proxy ◀── worker process …
//
// A Site is a Redis of its own with worker processes, each behind a proxy of its
// own that can be told to kill its worker at the border of a script. Processes
// that die are started again, as an operator's machine would. A Plan is drawn
// from a seed before anything starts: three lanes of faults that run side by
// side, one for the server, one for the workers and one for the links and the
// producers, so that faults overlap but nobody revives a server that another
// fault has just killed.
//
// A Ground puts Sentinels or a Cluster in the place of the one server. Its primaries
// are replaced, or its slots move, while workers die.
//
// When the plan is over everything heals, the queue is given time to become
// empty, and the ledgers and the census are judged by package check.
package storm
