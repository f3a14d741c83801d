package inject

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/tandemq/tandem/internal/redistest"
)

// Stall is a fault: for a while nothing comes through the proxy. What was held
// back arrives afterwards.
func Stall(proxy *redistest.TCPProxy, lasting Span) Fault {
	return Fault{Name: "network stalled", Do: func(ctx context.Context, r *rand.Rand) error {
		proxy.Stall()
		defer proxy.Flow()
		return last(ctx, lasting.draw(r))
	}}
}

// Slow is a fault: for a while every message takes its time.
func Slow(proxy *redistest.TCPProxy, pace redistest.Pace, lasting Span) Fault {
	return Fault{Name: "network slow", Do: func(ctx context.Context, r *rand.Rand) error {
		proxy.Slow(pace)
		defer proxy.Slow(redistest.Pace{})
		return last(ctx, lasting.draw(r))
	}}
}

// Network is a redis-server in a network of its own, that can be cut off without
// either side being told.
type Network struct {
	*redistest.Instance
	namespace string
}

// NewNetwork starts a server in a network namespace. That takes root, ip and nft.
func NewNetwork(tb testing.TB, config ...string) *Network {
	tb.Helper()
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(tb, "a half-open connection", tool)
		}
	}
	id := rand.Uint32N(1 << 24)
	space := fmt.Sprintf("tandem%x", id)
	here, there := subnet(id)
	if err := build(tb, space, here, there); err != nil {
		if errors.Is(err, errDenied) {
			denied(tb, "a network namespace", err)
		}
		tb.Fatalf("inject: %v", err)
	}
	server := redistest.Own(tb, redistest.Options{
		Host: there, Through: []string{"ip", "netns", "exec", space},
		Config: append([]string{"protected-mode no"}, config...),
	})
	return &Network{Instance: server, namespace: space}
}

// subnet is two addresses of a range that is set aside for testing networks
// (RFC 2544), so that they are nobody's.
func subnet(id uint32) (here, there string) {
	base := 198<<24 | 18<<16 | id<<2&0x1fffc
	address := func(a uint32) string { return fmt.Sprintf("%d.%d.%d.%d", a>>24, a>>16&255, a>>8&255, a&255) }
	return address(base | 1), address(base | 2)
}

var errDenied = errors.New("not allowed here")

// build makes the namespace and a cable to it, which go with the test.
func build(tb testing.TB, space, here, there string) error {
	if err := run("ip", "netns", "add", space); err != nil {
		return fmt.Errorf("%w: %w", errDenied, err)
	}
	tb.Cleanup(func() {
		if err := run("ip", "netns", "del", space); err != nil {
			tb.Errorf("inject: %v", err)
		}
	})
	cable := "tm" + strings.TrimPrefix(space, "tandem")
	for _, words := range []string{
		"link add " + cable + " type veth peer name inner netns " + space,
		"addr add " + here + "/30 dev " + cable,
		"link set " + cable + " up",
		"-n " + space + " addr add " + there + "/30 dev inner",
		"-n " + space + " link set inner up",
		"-n " + space + " link set lo up",
	} {
		if err := run("ip", strings.Fields(words)...); err != nil {
			return fmt.Errorf("%w: %w", errDenied, err)
		}
	}
	return nil
}

func run(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// HalfOpen is a fault: for a while every packet to and from the server is lost,
// silently. When restart says so, the server is killed and started again
// meanwhile, so that the connections it had exist on the clients' side only.
func (n *Network) HalfOpen(lasting Span, restart bool) Fault {
	return Fault{Name: "half-open connections", Do: func(ctx context.Context, r *rand.Rand) error {
		if err := n.drop(); err != nil {
			return err
		}
		if restart {
			n.Kill()
			n.Restart()
		}
		err := last(ctx, lasting.draw(r))
		return errors.Join(err, n.inside("nft", "delete", "table", "inet", "tandem"))
	}}
}

func (n *Network) drop() error {
	const rules = "add table inet tandem; " +
		"add chain inet tandem in { type filter hook input priority 0; policy drop; }; " +
		"add chain inet tandem out { type filter hook output priority 0; policy drop; }"
	return n.inside("nft", rules)
}

func (n *Network) inside(words ...string) error {
	return run("ip", append([]string{"netns", "exec", n.namespace}, words...)...)
}
