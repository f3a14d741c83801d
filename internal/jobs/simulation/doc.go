// Package simulation runs the real queue, the real worker pools and the real
// scripts in virtual time, under faults that a number decides. It holds tests
// only.
//
//	number ──rapid──▶ plan    jobs, pools, faults: all that will happen, and when
//	                   │
//	  ┌────────────────┼────── a bubble of testing/synctest ───────────────┐
//	  │                ▼                                                   │
//	  │   queue ─┐                                                         │
//	  │   pool  ─┼─ go-redis ── link ── wire ──▶ embedded Redis, its clock │
//	  │   admin ─┘               │ loses, delays, freezes, cuts   ▲        │
//	  │                          Node's schedulers, unique jobs, ─┘        │
//	  │                          and halts                                 │
//	  └──────────────┬───────────┴───────────────────────┬─────────────────┘
//	                 ▼                                   ▼
//	               ledger: who ran what, when, for how long it was theirs,
//	                 │     and what the queue's event stream told
//	                 ▼
//	               verdict  (promises checked one by one, the life of each job
//	                         checked by porcupine, the keyspace by invariant)
//
// Hours of leases, backoffs and blocking waits pass in milliseconds, since all
// goroutines of a bubble share a clock that moves when all of them wait. Nothing
// in it may touch a socket.
//
// # How deterministic a number is
//
// The number decides the plan, and with it the moment of every fault and what
// every handler does. It does not decide the order of goroutines that are ready
// at the same virtual instant, the jitter that the product draws for itself, or
// its random ids. So a failure comes back from its number most of the time, not
// always; -simulation.replays runs one number many times.
//
//	go test ./internal/jobs/simulation -run TestSeeds -simulation.first=4711 -simulation.seeds=1 -simulation.replays=50
//	go test ./internal/jobs/simulation -run TestSeeds -simulation.seeds=100000 -timeout 3h
//
// # Is anybody watching?
//
// TestPlantedBugsAreFound puts bugs into the scripts, one at a time, by replacing
// a piece of their text, and expects the verdict to change. A piece that is no
// longer there fails the test: then a script has changed, and its bug has to be
// planted anew. The porcupine model is shown histories that no queue may have.
package simulation
