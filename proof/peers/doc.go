// Package peers does to BullMQ and asynq what a campaign does to Tandem, in one
// run, and compares.
//
//	subject (Tandem) ─┐
//	node/bullmq.mjs  ─┼─▶ each with a Redis and processes of its own, the same
//	asynq            ─┘   faults, the same ledger, the same checker
//
// Each library runs as it is shipped and as its documentation recommends, with
// two exceptions for all three: five jobs at a time in a process, and finished
// jobs are kept, so that their end can be read. An add that a client has to
// repeat has an id of the client's choice. What a library does not tell (when it
// renews a lease) is taken in its favour: a lease then counts as over when it
// would be without a renewal.
//
//	make peers      six minutes; writes results/peers and docs/reliability.md
//
// The faults are drawn from a seed and are the same for each library; what they
// happen to is up to the moment, so the figures of two runs differ.
package peers
