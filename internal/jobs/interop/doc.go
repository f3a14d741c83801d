// Package interop holds the tests that share queues with the official client:
// npm bullmq in its two majors, 5 and 6, on a real Redis, and Bull Board's API.
// There is no code here that anybody could import.
//
//	test ──▶ queue, worker, admin ──▶ Redis ◀── bullmq 5, bullmq 6 ◀── node/driver.mjs ◀── test
//
// TestCheckNN tests row NN of the conformance checklist in docs/protocol.md. Each
// test has a key prefix of its own; most run once for each major. Jobs do what
// their name says, the same on both sides: echo, nothing, sleep, fail, hopeless,
// progress, hold (see driver.mjs and goside_test.go).
//
// Nothing waits for a time to pass: what is awaited is an event in the queue's
// own stream, or a line of a process.
package interop
