// Command campaign runs every experiment of proof at its full size, and says at
// any time how far it is.
//
//	go -C proof run ./campaign -seed=7 -out=results
//
// What an experiment is, how long it takes on two quiet cores and what may run
// beside it is in plan.go, and printed before anything starts. The rest of this
// command only obeys the plan: each experiment is a "go test" of its own, with a
// time after which it is ended, so that one that fails, hangs or dies takes none of
// the others with it.
//
// Every experiment owes rows of the table. What it does not deliver is written as
// a row that does not hold. The exit code is 1 when any experiment failed or any
// row does not hold. Then the logs of all, and what the failed ones left, stay in a
// directory that is printed.
package main
