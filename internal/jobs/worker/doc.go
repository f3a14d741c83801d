// Package worker is for whoever runs jobs: typed handlers, and a pool for each
// queue that takes jobs, runs them and reports what became of them.
//
//	mux := worker.NewMux()
//	worker.Handle(mux, Welcome, func(ctx context.Context, job *worker.Job[WelcomeMail]) (Receipt, error) { … })
//	pool, err := worker.New(conn, "email", mux, worker.Options{Concurrency: 5})
//	err = pool.Run(ctx) // until ctx ends, then stops cleanly
//
// # What is promised
//
// A job runs on one worker at a time, for as long as its lock is renewed. It can
// run more than once in all: after a failure, after a worker died, and when a
// lock was lost. Its outcome is accepted once. A handler's context ends, with a
// cause, when the attempt's time is up (jobs.ErrTimeout), when the lock is lost
// (jobs.ErrLockLost), and when the pool stops and its deadline has passed
// (jobs.ErrShutdown); in the last case the job goes back to the head of its line
// and the attempt does not count.
//
// # Who runs in a pool, and who waits for whom
//
//	Pool ─┬─ slot ×concurrency   hand in the last outcome, get a job, run it
//	      ├─ listener            blocks on the marker while a slot is free
//	      ├─ alarm               fetches when the next delayed job is due
//	      ├─ keeper              renews all locks in one call
//	      └─ sweeper             gives back the jobs of workers that died
//
// The slots make the calls themselves (exchange.go): a slot whose job ends while
// no call is under way sends its outcome with a fetch in one call; otherwise it
// leaves the outcome for the next one, which takes all that are left. One call
// is under way at a time; with eight slots or more a second one may be, when it
// carries the outcomes of half of them.
//
//	               ┌──── call under way: leave the outcome, wait ────┐
//	job ends ──▶ hand in                                             ├─▶ job ─▶ run
//	               └──── no call: send all outcomes, fetch ──────────┘
//
// # Stopping
//
// Stop: no more fetches and sweeps, the listener's connection is closed and the
// marker set again if work waits. Slots without a job end. Running jobs go on and
// their outcomes are sent, their locks renewed.
// WaitForCompletion waits for them until its deadline, then cancels what still
// runs, gives it a moment to return, and hands it back. Then keeper and alarm end.
package worker
