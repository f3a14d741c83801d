package inject_test

import (
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/proof/inject"
)

func TestHalfOpenConnectionsAreNotTold(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"the server goes on": false, "the server forgets": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			network := inject.NewNetwork(t, always()...)
			w := startWriter(t, network.Server)
			w.more(t, 200)
			conn := network.Client(t).Conn()
			defer conn.Close()
			must(t, conn.Ping(t.Context()).Err())
			must(t, network.HalfOpen(exactly(time.Second), restart).Do(t.Context(), chance()))
			w.more(t, 100)
			w.end()
			if w.saw("read")+w.saw("dial") == 0 || w.saw("EOF") != 0 {
				t.Errorf("want timeouts and no word of an end; the errors: %v", w.errors)
			}
			if gone := conn.Ping(t.Context()).Err() != nil; gone != restart {
				t.Errorf("the connection is gone: %v, want %v", gone, restart)
			}
			if missing := w.missing(t, network.Server); missing != 0 {
				t.Errorf("%d acknowledged writes are gone", missing)
			}
		})
	}
}

func TestAStalledAndASlowNetworkAreSeenByClients(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*redistest.TCPProxy) inject.Fault{
		"stalled": func(p *redistest.TCPProxy) inject.Fault { return inject.Stall(p, exactly(500*time.Millisecond)) },
		"slow": func(p *redistest.TCPProxy) inject.Fault {
			return inject.Slow(p, redistest.Pace{Delay: 150 * time.Millisecond}, exactly(time.Second)) // 300 ms there and back
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := redistest.Proxy(t, redistest.Own(t, redistest.Options{}).Server)
			w := startWriter(t, proxy.Server)
			w.more(t, 200)
			must(t, fault(proxy).Do(t.Context(), chance()))
			w.more(t, 100)
			w.end()
			if w.saw("read") == 0 {
				t.Errorf("nobody waited in vain; the errors: %v", w.errors)
			}
		})
	}
}

func TestAFullDiskStopsTheServerAndLosesNothing(t *testing.T) {
	t.Parallel()
	disk := inject.NewSmallDisk(t, 4, always()...)
	w := startWriter(t, disk.Server)
	w.more(t, 200)
	first := disk.Exited()
	must(t, disk.Full(exactly(5*time.Second)).Do(t.Context(), chance()))
	select {
	case <-first:
	default:
		t.Error("the server went on with a full disk")
	}
	w.more(t, 100)
	w.end()
	if missing := w.missing(t, disk.Server); missing != 0 {
		t.Errorf("%d acknowledged writes are gone", missing)
	}
}
