// Package inject holds the faults that a server, its disk and its network can
// have. Each is a value:
//
//	fault := inject.Crash(server)
//	err := fault.Do(ctx, r) // strikes, lasts, heals, and returns
//
// so that a storm can draw them from a seeded plan without knowing what they
// are. What a fault leaves behind when Do returns without an error is a healthy
// server: whatever does not recover from here is the fault of who used it.
//
// The servers come from redistest. Some faults need more than a server:
//
//	Disk       a server whose disk can lose what was not synced, fail and be slow
//	SmallDisk  a server on a file system that can be filled
//	Network    a server in a network namespace, whose packets can be dropped
//
// They need gcc, or ip and nft and root. A program that is missing skips the test,
// and fails it with REDISTEST_STRICT=1. So does what the machine does not allow, as
// in an unprivileged container, unless SKIPPED_FILE names a file: then the test is
// skipped, and a line of the file says so. Each fault has a test that shows that it
// happens: a fault that does not strike proves nothing.
package inject
