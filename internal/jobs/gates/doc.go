// Package gates holds limits on what a job may cost Redis: commands, script
// calls and, where valgrind is installed, instructions. Its tests count instead
// of timing, so a busy machine changes nothing, and a change that makes a job
// dearer is seen in the change itself.
//
// What is counted is the cost of one more job: two runs of the same work, one
// with more jobs, and the difference. Connecting, loading scripts and the look
// for jobs of dead workers cancel out.
//
// How many jobs share a call depends on what happens at the same moment, so the
// tests decide that: handlers wait for each other and end together, and a call
// is kept back until every outcome, or every add, that could come has come.
//
//	handlers end together ──▶ outcomes handed in ──▶ the call goes out
//
// make bench shows the same figures for a queue in full flight.
package gates
