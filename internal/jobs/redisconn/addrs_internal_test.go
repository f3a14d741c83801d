package redisconn

import "testing"

// The client library appends to the addresses that it is given, in the
// background: two clients that shared memory behind them would write there both.
func TestClientsAppendToAddressesOfTheirOwn(t *testing.T) {
	room := []string{"n1:1", "n2:1", ""}
	u, err := Options{Addrs: room[:2], Cluster: true}.universal()
	if err != nil {
		t.Fatal(err)
	}
	one, other := append(u.Addrs, "n3:1"), append(u.Addrs, "n4:1")
	if one[2] != "n3:1" || other[2] != "n4:1" || room[2] != "" {
		t.Errorf("one has %v, the other %v, the caller %v", one, other, room)
	}
}
