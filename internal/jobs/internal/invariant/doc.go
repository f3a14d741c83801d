// Package invariant looks at all keys of a queue and says what cannot be.
//
// A queue is a few lists and sets of ids and a hash for each job. Whatever was
// done to it, and whatever failed half way, this holds between two calls:
//
//	every job is in exactly one place, and every place holds jobs
//	work that may start now, or later by itself, has a marker that says so
//	what is active is locked, and nothing else is
//	what a job's place implies, its fields say: when it finished, how long
//	it waits, how urgent it is, whose child it is
//	no key is there that a queue does not have
//
// Check finds what breaks it, in words; Dump prints the keyspace for a golden
// file. Both read the whole queue, so they are for tests.
package invariant
