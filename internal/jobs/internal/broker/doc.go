// Package broker is the one door to Redis: a Go function for each script and
// for the few plain commands beside them. Above it nobody sees a key, a slot of
// ARGV, or an untyped reply.
//
// # Scripts
//
// Each operation that changes something is one Lua script in scripts/, whose
// header is its contract. Steps that several scripts share are fragments in
// scripts/include, put in by a line "-- include name". To add a script, write
// its header first, then its function here, then its test.
//
// A script checks what it needs before its first write, since Redis does not
// undo a script that fails half way. It can be sent twice: when the reply was
// lost, send sends the same call again and says so (ARGV resent), and the
// script finds out from what is stored what it had done already. The two can
// arrive in either order, since a connection that was given up may still
// deliver; the first sending then finds the second one's traces and does
// nothing. In the normal path that costs one EXISTS.
//
// KEYS 1 is the queue's meta hash, which names the Cluster slot. All other keys
// are made from the queue's base, so they carry the same hash tag.
//
// # Ours and BullMQ's
//
//	settle     moveToFinished, moveToActive, retryJob, moveToDelayed, moveJobFromActiveToWait
//	add        addStandardJob, addDelayedJob, addPrioritizedJob
//	renew      extendLock, extendLocks
//	sweep      moveStalledJobsToWait
//	advance    updateJobScheduler
//
// The rest have the names of what they do.
package broker
