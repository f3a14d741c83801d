package redistest

import (
	"net"
	"testing"
)

func TestAServerThatIsDownKeepsItsPort(t *testing.T) {
	server := Own(t, Options{})
	server.Kill()
	if claim, err := net.ListenPacket("udp", server.Addr); err == nil {
		claim.Close()
		t.Errorf("%s could be claimed by another test", server.Addr)
	}
	server.Restart()
}
