// Package redistest lends a real Redis to a test.
//
// Most tests share one server and get a key prefix of their own:
//
//	func TestAdd(t *testing.T) {
//		t.Parallel()
//		server := redistest.Shared(t)
//		client, prefix := server.Client(t), server.Prefix(t)
//		…
//	}
//
// The server is found, not configured. The first of these that can be had:
//
//	TEST_REDIS_URL          a server that is already there
//	redis-server on PATH    a process of this test binary's own, which dies with it
//	the providers of Main   a container, for packages that ask for it
//	the embedded Redis      with a note of what that leaves untested
//
// With REDISTEST_STRICT=1, as in CI, the last one is a failure instead.
//
// A test that breaks its server takes one for itself with Own, which can be
// killed, stopped, paused and started again on the same port and files; or several
// of them with Cluster, ReplicatedCluster and Sentinel. Each runs a test on the
// embedded and on the real server. Proxy stands between a client and any server
// and loses replies, stalls and slows down on demand.
//
// Everything ends with the test that asked for it. What fails in a helper fails
// the test, with the last lines of the server's log.
package redistest
