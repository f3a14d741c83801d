package redisconn

import (
	"fmt"
	"strconv"
	"strings"
)

// facts are what one server tells of itself, before anybody judges it.
type facts struct {
	version        string
	mode           string // standalone, cluster, sentinel
	role           string
	policy         string
	maxMemory      int64 // bytes; 0 is no limit
	usedMemory     int64
	loading        bool
	appendOnly     bool
	appendFsync    string
	appendBroken   bool // the latest write to the append-only file failed
	snapshotBroken bool

	replicas int // that are connected and in step

	asCluster     bool // it is spoken to as a part of a Cluster
	needed        int  // replicas that have to acknowledge a job
	configRefused bool
}

// readInfo reads the answer of INFO. What a server leaves out stays zero.
func readInfo(text string) facts {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return facts{
		version: info["redis_version"], mode: info["redis_mode"], role: info["role"],
		policy: info["maxmemory_policy"], maxMemory: whole(info["maxmemory"]), usedMemory: whole(info["used_memory"]),
		loading: info["loading"] == "1", appendOnly: info["aof_enabled"] == "1",
		appendBroken:   info["aof_last_write_status"] == "err",
		snapshotBroken: info["rdb_last_bgsave_status"] == "err",
		replicas:       online(info),
	}
}

// online counts the lines slave0:ip=…,port=…,state=online,….
func online(info map[string]string) (n int) {
	for name, value := range info {
		number, isReplica := strings.CutPrefix(name, "slave")
		if _, err := strconv.Atoi(number); isReplica && err == nil && strings.Contains(value, "state=online") {
			n++
		}
	}
	return n
}

func whole(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0 // not told, or not a number: then nothing depends on it
	}
	return n
}

func (f facts) report() Report {
	return Report{
		Version: f.version, Role: f.role, EvictionPolicy: f.policy,
		AppendOnly: f.appendOnly, AppendFsync: f.appendFsync,
		UsedMemory: f.usedMemory, MaxMemory: f.maxMemory, Findings: f.judge(),
	}
}

// judge says what endangers jobs. A Sentinel has no settings worth a look.
func (f facts) judge() []Finding {
	if f.mode == "sentinel" {
		return []Finding{fault("sentinel", "this is a Sentinel, not the server it watches", "give the addresses of the Sentinels together with the master's name")}
	}
	var found []Finding
	for _, look := range []func() (Finding, bool){
		f.aboutVersion, f.aboutMode, f.aboutRole, f.aboutLoading, f.aboutEviction, f.aboutMemory,
		f.aboutPersistence, f.aboutFsync, f.aboutWrites, f.aboutReplicas,
	} {
		if finding, ok := look(); ok {
			found = append(found, finding)
		}
	}
	return found
}

func fault(code, message, advice string) Finding {
	return Finding{Severity: Error, Code: code, Message: message, Advice: advice}
}

func hint(code, message, advice string) Finding {
	return Finding{Severity: Warning, Code: code, Message: message, Advice: advice}
}

// The versions that count: the scripts need the first, and are tested from the
// second on.
var (
	needed      = [2]int{6, 2}
	recommended = [2]int{7, 0}
)

func (f facts) aboutVersion() (Finding, bool) {
	version, ok := majorMinor(f.version)
	switch {
	case !ok:
		return hint("version", "the server does not tell its version", "see that it behaves like Redis 7.0 or newer"), true
	case below(version, needed):
		return fault("version", "Redis "+f.version+" is too old", "use 6.2 at least, better 7.0 or newer"), true
	case below(version, recommended):
		return hint("version", "Redis "+f.version+" works, but is old", "use 7.0 or newer"), true
	}
	return Finding{}, false
}

func majorMinor(version string) (v [2]int, ok bool) {
	_, err := fmt.Sscanf(version, "%d.%d", &v[0], &v[1])
	return v, err == nil
}

func below(a, b [2]int) bool { return a[0] < b[0] || a[0] == b[0] && a[1] < b[1] }

func (f facts) aboutMode() (Finding, bool) {
	switch {
	case f.mode == "cluster" && !f.asCluster:
		return fault("cluster", "the server is a node of a Cluster and is spoken to as a single one", "configure it as a Cluster"), true
	case f.asCluster && f.mode != "" && f.mode != "cluster":
		return fault("cluster", "the server is no node of a Cluster", "configure it as a single server"), true
	}
	return Finding{}, false
}

func (f facts) aboutRole() (Finding, bool) {
	if f.role == "" || f.role == "master" {
		return Finding{}, false
	}
	return fault("role", "the server is a replica and takes no writes", "connect to the primary, or through the Sentinels"), true
}

func (f facts) aboutLoading() (Finding, bool) {
	return fault("loading", "the server is still loading its data", "wait until it has"), f.loading
}

// aboutEviction: with any policy but noeviction a full server deletes jobs, or
// locks of running ones. Without a limit it is never full.
func (f facts) aboutEviction() (Finding, bool) {
	message := "maxmemory-policy is " + f.policy
	const advice = "set maxmemory-policy noeviction"
	switch {
	case f.policy == "":
		return hint("eviction", "the server does not tell its maxmemory-policy", "see that it is noeviction"), true
	case f.policy == "noeviction":
		return Finding{}, false
	case f.maxMemory == 0:
		return hint("eviction", message+", which will delete jobs once a memory limit is set", advice), true
	}
	return fault("eviction", message+": when memory runs out, jobs or their locks are deleted", advice), true
}

// full is the share of maxmemory that should make somebody look, in percent.
const full = 90

func (f facts) aboutMemory() (Finding, bool) {
	if f.maxMemory == 0 || f.usedMemory < f.maxMemory/100*full {
		return Finding{}, false
	}
	return hint("memory", fmt.Sprintf("%d of %d bytes of memory are used", f.usedMemory, f.maxMemory),
		"raise maxmemory, or keep fewer finished jobs; a full server refuses new ones"), true
}

func (f facts) aboutPersistence() (Finding, bool) {
	return fault("appendonly", "appendonly is off: what was accepted is gone when the server stops",
		"set appendonly yes"), !f.appendOnly
}

func (f facts) aboutFsync() (Finding, bool) {
	const advice = "set appendfsync always, so that an accepted job is on disk"
	switch {
	case !f.appendOnly || f.appendFsync == "always":
		return Finding{}, false
	case f.configRefused || f.appendFsync == "":
		return hint("config", "the server does not tell its appendfsync", "see that it is always, or know what a power cut costs"), true
	case f.appendFsync == "everysec":
		return hint("appendfsync", "appendfsync is everysec: a power cut can lose the jobs of the last seconds", advice), true
	}
	return fault("appendfsync", "appendfsync is "+f.appendFsync+": a power cut can lose the jobs of half a minute", advice), true
}

func (f facts) aboutWrites() (Finding, bool) {
	const advice = "see the server's log and its disk"
	switch {
	case f.appendBroken:
		return fault("disk", "the server cannot write its append-only file", advice), true
	case f.snapshotBroken:
		return hint("disk", "the server could not write its latest snapshot", advice), true
	}
	return Finding{}, false
}

// aboutReplicas: an acknowledgement outlives a failover when every replica that
// can be promoted has it. A primary does not tell which of them can.
func (f facts) aboutReplicas() (Finding, bool) {
	switch {
	case f.replicas < f.needed:
		return fault("replicas", fmt.Sprintf("%d of %d replicas that have to acknowledge each job are connected", f.replicas, f.needed),
			"bring the replicas back, or ask for fewer"), true
	case f.needed > 0 && f.replicas > f.needed:
		return hint("failover", fmt.Sprintf("%d replicas are connected and only %d have to acknowledge each job: a failover to another loses jobs", f.replicas, f.needed),
			"wait for as many as can be promoted, and give replica-priority 0 to the others"), true
	}
	return Finding{}, false
}
