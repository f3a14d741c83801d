package redisconn

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// good is a server that has nothing wrong with it.
func good() facts {
	return facts{
		version: "7.2.4", mode: "standalone", role: "master", policy: "noeviction",
		appendOnly: true, appendFsync: "always",
	}
}

func TestEveryDangerHasItsFinding(t *testing.T) {
	tests := []struct {
		name   string
		change func(f *facts)
		want   []string // severity and code
	}{
		{"nothing wrong", func(*facts) {}, nil},
		{"Redis 6.0", func(f *facts) { f.version = "6.0.16" }, []string{"error version"}},
		{"Redis 5", func(f *facts) { f.version = "5.9.9" }, []string{"error version"}},
		{"Redis 6.2", func(f *facts) { f.version = "6.2.0" }, []string{"warning version"}},
		{"Redis 7.0", func(f *facts) { f.version = "7.0.0" }, nil},
		{"Redis 10", func(f *facts) { f.version = "10.1.0" }, nil},
		{"no version", func(f *facts) { f.version = "" }, []string{"warning version"}},
		{"a node of a Cluster", func(f *facts) { f.mode = "cluster" }, []string{"error cluster"}},
		{"a Cluster spoken to as one", func(f *facts) { f.mode, f.asCluster = "cluster", true }, nil},
		{"a single server spoken to as a Cluster", func(f *facts) { f.asCluster = true }, []string{"error cluster"}},
		{"a Sentinel", func(f *facts) { f.mode, f.policy, f.appendOnly = "sentinel", "", false }, []string{"error sentinel"}},
		{"a replica", func(f *facts) { f.role = "slave" }, []string{"error role"}},
		{"loading", func(f *facts) { f.loading = true }, []string{"error loading"}},
		{"evicts any key", func(f *facts) { f.policy, f.maxMemory = "allkeys-lru", 1<<30 }, []string{"error eviction"}},
		{"evicts locks", func(f *facts) { f.policy, f.maxMemory = "volatile-lru", 1<<30 }, []string{"error eviction"}},
		{"would evict, but has no limit", func(f *facts) { f.policy = "allkeys-lru" }, []string{"warning eviction"}},
		{"does not tell its policy", func(f *facts) { f.policy = "" }, []string{"warning eviction"}},
		{"half full", func(f *facts) { f.maxMemory, f.usedMemory = 1000, 500 }, nil},
		{"nearly full", func(f *facts) { f.maxMemory, f.usedMemory = 1000, 900 }, []string{"warning memory"}},
		{"replicas of nobody's need", func(f *facts) { f.replicas = 1 }, nil},
		{"as many replicas as needed", func(f *facts) { f.replicas, f.needed = 2, 2 }, nil},
		{"more replicas than have to acknowledge", func(f *facts) { f.replicas, f.needed = 2, 1 }, []string{"warning failover"}},
		{"too few replicas", func(f *facts) { f.replicas, f.needed = 1, 2 }, []string{"error replicas"}},
		{"keeps nothing", func(f *facts) { f.appendOnly = false }, []string{"error appendonly"}},
		{"everysec", func(f *facts) { f.appendFsync = "everysec" }, []string{"warning appendfsync"}},
		{"never syncs", func(f *facts) { f.appendFsync = "no" }, []string{"error appendfsync"}},
		{"refuses CONFIG", func(f *facts) { f.appendFsync, f.configRefused = "", true }, []string{"warning config"}},
		{"hides its settings", func(f *facts) { f.appendFsync = "" }, []string{"warning config"}},
		{"cannot write its log", func(f *facts) { f.appendBroken = true }, []string{"error disk"}},
		{"cannot write a snapshot", func(f *facts) { f.snapshotBroken = true }, []string{"warning disk"}},
		{"everything at once", func(f *facts) {
			*f = facts{version: "4.0.0", role: "slave", policy: "allkeys-lfu", maxMemory: 100, usedMemory: 99, loading: true}
		}, []string{"error version", "error role", "error loading", "error eviction", "warning memory", "error appendonly"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := good()
			tt.change(&f)
			report := f.report()
			var got []string
			for _, finding := range report.Findings {
				got = append(got, string(finding.Severity)+" "+finding.Code)
				if finding.Message == "" || finding.Advice == "" {
					t.Errorf("%s has no words: %+v", finding.Code, finding)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			hasError := slices.ContainsFunc(tt.want, func(s string) bool { return strings.HasPrefix(s, "error ") })
			if err := report.Err(); (err != nil) != hasError {
				t.Errorf("Err() = %v with %v", err, tt.want)
			}
		})
	}
}

func TestInfoIsReadLineByLine(t *testing.T) {
	text := "# Server\r\nredis_version:7.2.4\r\nredis_mode:cluster\r\n\r\n# Memory\r\nused_memory:12\r\nmaxmemory:100\r\n" +
		"maxmemory_policy:volatile-ttl\r\n# Persistence\r\nloading:1\r\naof_enabled:1\r\naof_last_write_status:err\r\n" +
		"rdb_last_bgsave_status:err\r\n# Replication\r\nrole:slave\r\nslave0:ip=10.0.0.1,port=6379,state=online,offset=9,lag=0\r\nslave1:ip=10.0.0.2,port=6379,state=wait_bgsave,offset=0,lag=0\r\nslave_repl_offset:9\r\nwithout a colon\r\nodd:with:two\r\n"
	want := facts{
		version: "7.2.4", mode: "cluster", role: "slave", policy: "volatile-ttl", maxMemory: 100, usedMemory: 12,
		loading: true, appendOnly: true, appendBroken: true, snapshotBroken: true, replicas: 1,
	}
	if diff := cmp.Diff(want, readInfo(text), cmp.AllowUnexported(facts{})); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}
