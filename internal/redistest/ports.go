package redistest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// lasting is a port that is the test's until it ends.
func lasting(tb testing.TB) int {
	port, release := claimPort()
	tb.Cleanup(release)
	return port
}

// freePort picks a port that nobody listens on or has claimed.
func freePort() int {
	port, release := claimPort()
	release()
	return port
}

// claimPort picks a port that nobody listens on, below the range from which the
// kernel takes the ports of outgoing connections, and keeps it from others, also
// in other processes, until release. A server that is down for a while keeps its
// port so: otherwise the clients that wait for it would find another test's
// server there, and leave their jobs in it. The claim is the UDP port of the same
// number, which Redis has no use for.
func claimPort() (port int, release func()) {
	for {
		port := 20000 + rand.IntN(12000)
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		claim, err := net.ListenPacket("udp", address)
		if err != nil {
			continue
		}
		release := func() { _ = claim.Close() }
		listener, err := net.Listen("tcp", address)
		if err != nil {
			release()
			continue
		}
		_ = listener.Close()
		return port, release
	}
}
