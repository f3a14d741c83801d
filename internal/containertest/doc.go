//go:build containers

// Package containertest runs our images as they are deployed, against each other
// and against Redis and PostgreSQL in containers of one network:
//
//	test ──HTTP──▶ api ──▶ redis ◀── worker, worker
//	                └──▶ postgres ◀───┘      └──▶ mailpit
//
// and stops, kills and restarts them while jobs are under way. It takes minutes
// and an engine, so it has a build tag: make test-containers. DOCKER and COMPOSE
// name other commands than docker and docker compose; COMPOSE may be several
// words. CONTAINERTEST_STRICT=1 makes a missing engine a failure.
package containertest
