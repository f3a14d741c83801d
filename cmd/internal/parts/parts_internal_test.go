package parts

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/config"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
)

// How many replicas have to have a job is what a 202 stands for.
func TestWhatIsSetAboutRedisReachesTheConnection(t *testing.T) {
	for name, test := range map[string]struct {
		set  map[string]string
		want redisconn.Options
	}{
		"nothing": {nil, redisconn.Options{URL: "redis://localhost:6379/0", ReplicaTimeout: time.Second}},
		"replicas": {
			map[string]string{"REDIS_URL": "rediss://u:p@r:1/2", "REDIS_WAIT_REPLICAS": "2", "REDIS_WAIT_TIMEOUT": "1500ms"},
			redisconn.Options{URL: "rediss://u:p@r:1/2", Replicas: 2, ReplicaTimeout: 1500 * time.Millisecond},
		},
		"Sentinels": {
			map[string]string{"REDIS_ADDRS": "s1:1,s2:2", "REDIS_MASTER_NAME": "main", "REDIS_SENTINEL_PASSWORD": "p"},
			redisconn.Options{
				URL: "redis://localhost:6379/0", Addrs: []string{"s1:1", "s2:2"}, MasterName: "main", SentinelPassword: "p",
				ReplicaTimeout: time.Second,
			},
		},
		"a Cluster": {
			map[string]string{"REDIS_ADDRS": "n1:1", "REDIS_CLUSTER": "true", "QUEUE_PREFIX": "{bull}"},
			redisconn.Options{URL: "redis://localhost:6379/0", Addrs: []string{"n1:1"}, Cluster: true, ReplicaTimeout: time.Second},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := config.LoadWorker(func(name string) (string, bool) {
				if name == "APP_ENV" {
					return "development", true
				}
				value, ok := test.set[name]
				return value, ok
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, redisOptions(c.Redis)); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
			conn, err := Redis(c.Redis)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if conn.Replicas() != test.want.Replicas || conn.ReplicaTimeout() != test.want.ReplicaTimeout || conn.IsCluster() != test.want.Cluster {
				t.Errorf("%s waits %s for %d replicas", conn, conn.ReplicaTimeout(), conn.Replicas())
			}
		})
	}
}
