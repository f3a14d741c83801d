package redisconn_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/redistest"
)

func open(tb testing.TB, o redisconn.Options) *redisconn.Conn {
	tb.Helper()
	conn, err := redisconn.Open(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := conn.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return conn
}

// codes are the findings of a server, as "severity code".
func codes(tb testing.TB, conn *redisconn.Conn) (redisconn.Report, []string) {
	tb.Helper()
	report, err := redisconn.Check(tb.Context(), conn)
	if err != nil {
		tb.Fatal(err)
	}
	var codes []string
	for _, f := range report.Findings {
		codes = append(codes, string(f.Severity)+" "+f.Code)
	}
	return report, codes
}

func TestCheckTellsWhatEndangersJobs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		config []string
		want   []string
	}{
		{"as we ship it", []string{"appendonly yes", "appendfsync always", "maxmemory-policy noeviction", "maxmemory 256mb"}, nil},
		{"as Redis is shipped", nil, []string{"error appendonly"}},
		{"as many run it", []string{"appendonly yes", "appendfsync everysec"}, []string{"warning appendfsync"}},
		{"as a cache", []string{"maxmemory 64mb", "maxmemory-policy allkeys-lru"}, []string{"error eviction", "error appendonly"}},
		{"managed", []string{"appendonly yes", "appendfsync always", `rename-command CONFIG ""`}, []string{"warning config"}},
		{"a part of a Cluster", []string{"appendonly yes", "appendfsync always", "cluster-enabled yes"}, []string{"error cluster"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Own(t, redistest.Options{Config: tt.config})
			_, got := codes(t, open(t, redisconn.Options{URL: server.URL}))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckReportsTheSettings(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{Config: []string{"appendonly yes", "appendfsync always"}})
	report, _ := codes(t, open(t, redisconn.Options{URL: server.URL}))
	if report.Version == "" || strings.Count(report.Version, ".") != 2 {
		t.Errorf("version is %q", report.Version)
	}
	report.Version = ""
	want := redisconn.Report{Role: "master", EvictionPolicy: "noeviction", AppendOnly: true, AppendFsync: "always"}
	if diff := cmp.Diff(want, report, cmpopts.IgnoreFields(redisconn.Report{}, "UsedMemory")); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if err := report.Err(); err != nil {
		t.Errorf("a good server is unfit: %v", err)
	}
}

func TestCheckRefusesAReplica(t *testing.T) {
	t.Parallel()
	primary := redistest.Own(t, redistest.Options{})
	host, port, err := net.SplitHostPort(primary.Addr)
	if err != nil {
		t.Fatal(err)
	}
	replica := redistest.Own(t, redistest.Options{Config: []string{"appendonly yes", "appendfsync always", "replicaof " + host + " " + port}})
	report, got := codes(t, open(t, redisconn.Options{URL: replica.URL}))
	if diff := cmp.Diff([]string{"error role"}, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if report.Role != "slave" {
		t.Errorf("role is %q", report.Role)
	}
	if err := report.Err(); !errors.Is(err, redisconn.ErrUnfit) || !strings.Contains(err.Error(), "replica") {
		t.Errorf("Err() = %v, wanted ErrUnfit about a replica", err)
	}
}

// A replica that does not acknowledge can be promoted too, and does not have what
// was accepted.
func TestCheckComparesReplicasWithThoseThatAcknowledge(t *testing.T) {
	t.Parallel()
	primary := redistest.Own(t, redistest.Options{Config: []string{"appendonly yes", "appendfsync always", "repl-diskless-sync-delay 0"}})
	host, port, err := net.SplitHostPort(primary.Addr)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		redistest.Own(t, redistest.Options{Config: []string{"replicaof " + host + " " + port}})
	}
	if n, err := primary.Client(t).Wait(t.Context(), 2, 30*time.Second).Result(); err != nil || n != 2 {
		t.Fatalf("%d of 2 replicas follow: %v", n, err)
	}
	for needed, want := range [][]string{nil, {"warning failover"}, nil, {"error replicas"}} {
		_, got := codes(t, open(t, redisconn.Options{URL: primary.URL, Replicas: needed}))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("findings when %d have to acknowledge (-want +got):\n%s", needed, diff)
		}
	}
}

func TestCheckSaysThatTheEmbeddedServerForgets(t *testing.T) {
	t.Parallel()
	report, got := codes(t, open(t, redisconn.Options{URL: redistest.Embedded(t).URL}))
	if diff := cmp.Diff([]string{"error appendonly"}, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if report.Role != "master" || report.EvictionPolicy != "noeviction" || report.AppendFsync != "no" {
		t.Errorf("report is %+v", report)
	}
}

func TestCheckLooksAtEveryPrimaryOfACluster(t *testing.T) {
	t.Parallel()
	nodes := redistest.Cluster(t)
	ctx := t.Context()
	for _, node := range nodes.Instances[:2] {
		client := node.Client(t)
		for name, value := range map[string]string{"appendonly": "yes", "appendfsync": "always"} {
			if err := client.ConfigSet(ctx, name, value).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	report, got := codes(t, open(t, redisconn.Options{Addrs: nodes.Addrs, Cluster: true}))
	if diff := cmp.Diff([]string{"error appendonly"}, got); diff != "" {
		t.Fatalf("findings (-want +got):\n%s", diff)
	}
	if bad := nodes.Instances[2].Addr; !strings.HasPrefix(report.Findings[0].Message, bad+": ") {
		t.Errorf("finding %q does not name %s", report.Findings[0].Message, bad)
	}
}

func TestCheckOfAServerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	check := func(conn *redisconn.Conn) error {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err := redisconn.Check(ctx, conn)
		return err
	}
	server := redistest.Own(t, redistest.Options{})
	conn := open(t, redisconn.Options{URL: server.URL})
	server.Pause()
	if err := check(conn); !errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("frozen: %v, wanted ErrUnavailable", err)
	}
	server.Resume()
	server.Kill()
	if err := check(conn); !errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("gone: %v, wanted ErrUnavailable", err)
	}
	cluster := open(t, redisconn.Options{Addrs: []string{server.Addr}, Cluster: true})
	if err := check(cluster); !errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("cluster gone: %v, wanted ErrUnavailable", err)
	}
}

func TestCheckOfAServerThatWantsAPassword(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{Config: []string{"requirepass secret-word", "appendonly yes", "appendfsync always"}})
	_, err := redisconn.Check(t.Context(), open(t, redisconn.Options{URL: server.URL}))
	if !errors.Is(err, jobs.ErrUnavailable) || !strings.Contains(err.Error(), "NOAUTH") {
		t.Errorf("without: %v, wanted ErrUnavailable with NOAUTH", err)
	}
	_, err = redisconn.Check(t.Context(), open(t, redisconn.Options{URL: "redis://:wrong-word@" + server.Addr}))
	if !errors.Is(err, jobs.ErrUnavailable) || strings.Contains(err.Error(), "wrong-word") {
		t.Errorf("wrong: %v, wanted ErrUnavailable without the password", err)
	}
	_, got := codes(t, open(t, redisconn.Options{URL: "redis://:secret-word@" + server.Addr}))
	if got != nil {
		t.Errorf("right: findings %v", got)
	}
}

// An ACL is how one gets a user who may not call CONFIG, as on a managed server.
func TestCheckByAUserWithoutCONFIG(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t, redistest.Options{Config: []string{
		"appendonly yes", "appendfsync always", "user worker on >pass ~* +@all -config",
	}})
	report, got := codes(t, open(t, redisconn.Options{URL: "redis://worker:pass@" + server.Addr}))
	if diff := cmp.Diff([]string{"warning config"}, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if !report.AppendOnly {
		t.Error("INFO tells that appendonly is on, and the report does not")
	}
}
