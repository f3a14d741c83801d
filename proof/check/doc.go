// Package check compares what happened with what was promised.
//
// It reads the ledgers of all processes and the census of the end, and nothing
// else: no clock, no Redis. What it finds is one of these:
//
//	lost          an acknowledged job that neither finished nor is anywhere
//	stuck         a job that is stored and has not finished, long after everything healed
//	unexpected    a job that ran, or is stored, without having been asked for
//	duplicate     one job that became two
//	false error   an add that was denied although nothing was wrong with it, or
//	              called a repetition although it was not
//	second start  an attempt that began while the one before had neither returned,
//	              nor ended, nor outlived its lease
//	finishes      more than one accepted finish of a job, or workers and queue
//	              that tell different things of it; an outcome that was accepted after
//	              a later attempt had begun
//	innocent      a job that failed although it does not fail
//	spared        a job that completed although it cannot
//	no effect     a job that completed without its effect
//	repeated      an effect that was done again although nothing happened to anybody
//	inversion     a job that began before one that stood before it, where the
//	              order is promised: one priority, one job at a time
//	early         a job that began before it was due
//	late          a job that began, or was taken back from a dead worker, later than
//	              the plan allows
//	leak          a process whose goroutines, descriptors or memory grew for as long
//	              as it lived
//	leftover      a hash in no place, a place without a hash, two places, a lock or
//	              a key that nobody needs, work that waits without a marker
//
// A second start is judged in the order of attempts, not of the clock: a worker
// that was frozen between taking a job and starting it may write its line late.
package check
