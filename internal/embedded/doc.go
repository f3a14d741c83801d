// Package embedded is the Redis that lives in the process: for development, for
// a newcomer's first minute and for simulation, never for production.
//
// It is miniredis behind a loopback TCP port, so that every client, ours or
// somebody's Node worker, talks to it as to any Redis. Around it stand the few
// things that a server which runs for hours needs and a test double does not
// have:
//
//	         client ──TCP──▶ miniredis ──hook──▶ is it one of ours?
//	                                               │ INFO CONFIG ROLE CLIENT   answered here
//	                                               │ EVAL EVALSHA SCRIPT       expanded, error texts as on Redis
//	                                               │ XADD … LIMIT n            passed on without LIMIT
//	                                               ▼ everything else          passed on as it came
//	wall clock ──▶ expiry ──FastForward──▶ miniredis
//
// miniredis counts a key's time to live down only when it is told how much time
// has passed. The expiry tells it the time that really went by, before a command
// runs and five times a second while nobody asks, so keys expire on time; the
// TIME command follows the wall clock by itself.
//
// What stays different from Redis is listed in the tests of this package. The
// important one: numbers and JSON are forgiven more than Redis forgives them, so
// a script that runs here still has to be tested on the real server.
package embedded
