package server

import (
	"os"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUsageIsReadFromInfo(t *testing.T) {
	info := map[string]map[string]string{
		"Server": {"redis_version": "7.0.15"},
		"CPU":    {"used_cpu_user": "1.5", "used_cpu_sys": "0.25", "used_cpu_sys_children": "9"},
		"Memory": {"used_memory": "1048576"},
		"Commandstats": {
			"cmdstat_hset": "calls=10,usec=1", "cmdstat_evalsha": "calls=3,usec=2", "cmdstat_eval": "calls=1,usec=2",
			"cmdstat_info": "calls=7,usec=2", "cmdstat_client|setname": "calls=1,usec=2",
		},
	}
	got, err := parseUsage(info)
	want := Usage{CPUMicros: 1.75e6, Commands: 15, Scripts: 4, Memory: 1 << 20, Version: "7.0.15"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, section := range []string{"CPU", "Memory"} {
		missing := map[string]map[string]string{"CPU": info["CPU"], "Memory": info["Memory"]}
		missing[section] = nil
		if _, err := parseUsage(missing); err == nil {
			t.Errorf("an answer without %s is accepted", section)
		}
	}
}

func TestAServerCountsWhatIsSpentOnIt(t *testing.T) {
	needsRedis(t)
	for _, fsync := range []Fsync{Off, Always} {
		s, err := Start(t.Context(), Options{Fsync: fsync})
		if err != nil {
			t.Fatal(err)
		}
		before, err := s.Usage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.client.Eval(t.Context(), "redis.call('SET', KEYS[1], 1) return redis.call('GET', KEYS[1])", []string{"k"}).Err(); err != nil {
			t.Fatal(err)
		}
		after, err := s.Usage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := after.Since(before); got.Commands != 3 || got.Scripts != 1 || got.CPUMicros <= 0 {
			t.Errorf("spent %+v", got)
		}
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}
}

func needsRedis(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err == nil {
		return
	}
	if os.Getenv("REDISTEST_STRICT") == "1" {
		t.Fatal("no redis-server on PATH")
	}
	t.Skip("skipped: no redis-server on PATH")
}

func TestTheTimesOfAProcessAreReadWhateverItsName(t *testing.T) {
	got, err := parseStat([]byte("7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0 99 1000 3 0 0\n"))
	if err != nil || got != 2e6 {
		t.Errorf("%v µs, %v", got, err)
	}
	for _, broken := range []string{"7 (a) S 1", "7 (a) S 1 2 3 4 5 6 7 8 9 10 x 50 0", ""} {
		if _, err := parseStat([]byte(broken)); err == nil {
			t.Errorf("%q is accepted", broken)
		}
	}
}

func TestTheMemoryOfAProcessIsItsOwnAndFiles(t *testing.T) {
	rss, anonymous, err := parseRollup([]byte("00400000-7ffd 00:00 0 [rollup]\nRss:  9000 kB\nPss: 8 kB\nAnonymous:    4000 kB\n"))
	if err != nil || rss != 9000*1024 || anonymous != 4000*1024 {
		t.Errorf("%v, %v, %v", rss, anonymous, err)
	}
	for _, broken := range []string{"", "Rss: 1 kB\n", "Rss: x kB\nAnonymous: 1 kB\n"} {
		if _, _, err := parseRollup([]byte(broken)); err == nil {
			t.Errorf("%q is accepted", broken)
		}
	}
	self, err := ProcessOf(os.Getpid())
	if err != nil || self.AnonymousBytes < 1<<19 || self.RSSBytes <= self.AnonymousBytes {
		t.Errorf("this process: %+v, %v", self, err)
	}
}
