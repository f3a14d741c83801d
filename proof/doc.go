// Package proof breaks things on purpose and counts what was kept.
//
//	subject    the program under test: it adds jobs, or runs them, and writes down
//	           what it sees before and after
//	ledger     where that is written, so that it outlives SIGKILL
//	storm      processes, a Redis of their own, and the faults that happen to them
//	census     what is left in Redis in the end
//	check      the ledger and the census against what was promised: a pure function
//	mutants    bugs planted in our own code, all of which the checker has to find
//	inject     faults of the server, the host and the network
//	promises   one experiment for each figure that the documentation states
//	peers      the same for BullMQ and asynq, to compare
//	campaign   runs all of it at its full size, and says how far it is
//
// "make faults" runs the small form of everything, "make campaign" the large
// one. What came out is in results, and in docs/reliability.md from there.
package proof
