// Package promises measures what the reliability page promises, one experiment
// for each row of its table.
//
// Each experiment is a test that drives the queue as a program would, strikes
// with a fault of package inject, and ends with one row: what was promised, what
// was measured, over how many. It fails when the promise is broken. Losses and
// doubles have no tolerance; times may be a multiple of their goal, since a test
// machine has other things to do, and the row says that the goal was missed.
//
//	go test ./promises                                  small, for every change
//	go test ./promises -args -campaign -seed=7 -out=DIR full size, rows into DIR
package promises
