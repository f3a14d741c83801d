package redisconn_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/redistest"
)

func TestOpenRefusesWhatCannotWork(t *testing.T) {
	tests := []struct {
		name string
		o    redisconn.Options
	}{
		{"nothing", redisconn.Options{}},
		{"not an url", redisconn.Options{URL: "localhost:6379"}},
		{"http", redisconn.Options{URL: "http://:s3cret@localhost"}},
		{"unreadable url", redisconn.Options{URL: "redis://user:s3cret@host:port%zz"}},
		{"database that is no number", redisconn.Options{URL: "redis://:s3cret@localhost/first"}},
		{"several addresses", redisconn.Options{Addrs: []string{"a:1", "b:2"}}},
		{"cluster and sentinel", redisconn.Options{Addrs: []string{"a:1"}, Cluster: true, MasterName: "m"}},
		{"master without sentinels", redisconn.Options{URL: "redis://localhost:6379", MasterName: "m"}},
		{"negative pool", redisconn.Options{URL: "redis://localhost:6379", PoolSize: -1}},
		{"negative replicas", redisconn.Options{URL: "redis://localhost:6379", Replicas: -1}},
		{"waits longer than a call", redisconn.Options{URL: "redis://localhost:6379", ReplicaTimeout: 3 * time.Second}},
		{"negative timeout", redisconn.Options{URL: "redis://localhost:6379", CallTimeout: -time.Second}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := redisconn.Open(tt.o)
			if err == nil {
				conn.Close()
			}
			if !errors.Is(err, jobs.ErrInvalid) {
				t.Fatalf("error %v, wanted ErrInvalid", err)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

func TestConnSaysWhereItGoesWithoutCredentials(t *testing.T) {
	tests := []struct {
		name    string
		o       redisconn.Options
		want    string
		cluster bool
	}{
		{"url", redisconn.Options{URL: "redis://user:s3cret@db.example:6380/3"}, "redis at db.example:6380", false},
		{"url without a port", redisconn.Options{URL: "redis://:s3cret@db.example"}, "redis at db.example:6379", false},
		{"tls", redisconn.Options{URL: "rediss://user:s3cret@db.example:6380"}, "redis at db.example:6380", false},
		{"one address", redisconn.Options{Addrs: []string{"one:1"}}, "redis at one:1", false},
		{
			"address with an url's credentials", redisconn.Options{URL: "redis://user:s3cret@ignored", Addrs: []string{"one:1"}},
			"redis at one:1", false,
		},
		{
			"sentinel", redisconn.Options{Addrs: []string{"s1:26379", "s2:26379"}, MasterName: "main", SentinelPassword: "s3cret"},
			`redis master "main" by sentinels [s1:26379 s2:26379]`, false,
		},
		{"cluster", redisconn.Options{Addrs: []string{"n1:1", "n2:2"}, Cluster: true}, "redis cluster at [n1:1 n2:2]", true},
		{"cluster of one address", redisconn.Options{URL: "redis://:s3cret@n1:1", Cluster: true}, "redis cluster at [n1:1]", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn := open(t, tt.o)
			if got := conn.String(); got != tt.want {
				t.Errorf("String() = %q, wanted %q", got, tt.want)
			}
			if conn.IsCluster() != tt.cluster {
				t.Errorf("IsCluster() = %t", conn.IsCluster())
			}
		})
	}
}

func TestDedicatedHasOneConnectionUnderItsName(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{})
	conn := open(t, redisconn.Options{URL: server.URL})
	own := conn.Dedicated("bull:name:w:me", time.Second)
	defer own.Close()
	if err := own.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	list, err := conn.ClientList(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(list, "name=bull:name:w:me "); n != 1 {
		t.Errorf("%d connections under the name, wanted 1:\n%s", n, list)
	}
	// A second call while the connection is busy has to wait: it is alone.
	blocked := make(chan error, 1)
	go func() { blocked <- own.BLPop(t.Context(), 500*time.Millisecond, "nothing").Err() }()
	awaitBlocked(t, conn)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := own.Ping(ctx).Err(); err == nil {
		t.Error("a second connection answered")
	}
	<-blocked
}

func awaitBlocked(t *testing.T, conn *redisconn.Conn) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		info, err := conn.Info(t.Context(), "clients").Result()
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(strings.Fields(info), "blocked_clients:1") {
			return
		}
	}
	t.Fatal("nobody blocks")
}

func TestSentinelLeadsToTheMaster(t *testing.T) {
	t.Parallel()
	master := redistest.Own(t, redistest.Options{Config: []string{"appendonly yes", "appendfsync always"}})
	conn := open(t, redisconn.Options{Addrs: []string{redistest.Watch(t, master).Addr}, MasterName: redistest.MasterName})
	report, got := codes(t, conn)
	if got != nil || report.Role != "master" {
		t.Errorf("findings %v, role %q", got, report.Role)
	}
	own := conn.Dedicated("", time.Second)
	defer own.Close()
	if err := own.Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if v := master.Client(t).Get(t.Context(), "k").Val(); v != "v" {
		t.Errorf("the master has %q", v)
	}
}

func TestCheckRefusesASentinelItself(t *testing.T) {
	t.Parallel()
	master := redistest.Own(t, redistest.Options{})
	_, got := codes(t, open(t, redisconn.Options{Addrs: []string{redistest.Watch(t, master).Addr}}))
	if !slices.Equal(got, []string{"error sentinel"}) {
		t.Errorf("findings %v", got)
	}
}

func TestEveryConnectionIsOpenedByTheCallersDial(t *testing.T) {
	refused := errors.New("no way there")
	var asked []string
	conn := open(t, redisconn.Options{
		URL: "redis://far.example:6379",
		Dial: func(_ context.Context, _, addr string) (net.Conn, error) {
			asked = append(asked, addr)
			return nil, refused
		},
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := conn.Ping(ctx).Err(); !errors.Is(err, refused) {
		t.Errorf("ping: %v, wanted the dial's error", err)
	}
	blocking := conn.Dedicated("", time.Second)
	defer blocking.Close()
	if err := blocking.Ping(ctx).Err(); !errors.Is(err, refused) {
		t.Errorf("ping of a dedicated client: %v, wanted the dial's error", err)
	}
	if slices.ContainsFunc(asked, func(addr string) bool { return addr != "far.example:6379" }) || len(asked) < 2 {
		t.Errorf("dialled %v", asked)
	}
}
