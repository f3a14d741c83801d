package redisconn

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs"
)

// Severity is how bad a finding is.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // jobs can be lost, or cannot be stored: do not accept any
	Warning Severity = "warning" // fine for most, and worth knowing
)

// Finding is one thing about a server that endangers jobs.
type Finding struct {
	Severity Severity `json:"severity"`
	Code     string   `json:"code"`    // stable, for alerts and tests: "appendonly"
	Message  string   `json:"message"` // what is the case
	Advice   string   `json:"advice"`  // what to do about it
}

// Report is what Check found. Of a Cluster, the settings are those of one
// primary; the findings are of all, and name the server.
type Report struct {
	Version        string    `json:"version"`
	Role           string    `json:"role"` // master or slave
	EvictionPolicy string    `json:"evictionPolicy"`
	AppendOnly     bool      `json:"appendOnly"`
	AppendFsync    string    `json:"appendFsync"` // "" when the server does not tell
	UsedMemory     int64     `json:"usedMemory"`  // bytes
	MaxMemory      int64     `json:"maxMemory"`   // bytes; 0 is no limit
	Findings       []Finding `json:"findings"`
}

// ErrUnfit is a server to which no job should be entrusted.
var ErrUnfit = errors.New("redis is not fit for jobs")

// Err is nil when no finding is an error; otherwise it is ErrUnfit with all of
// those, and what to do about them.
func (r Report) Err() error {
	var faults []string
	for _, f := range r.Findings {
		if f.Severity == Error {
			faults = append(faults, f.Message+" ("+f.Advice+")")
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrUnfit, strings.Join(faults, "; "))
}

// Check looks whether a server keeps what it accepts: its version, role,
// persistence and eviction policy. The error is jobs.ErrUnavailable when it
// cannot be asked; what is wrong with a server that answers is in the report.
func Check(ctx context.Context, conn *Conn) (Report, error) {
	cluster, ok := conn.UniversalClient.(*redis.ClusterClient)
	if !ok {
		return checkOne(ctx, conn.UniversalClient, facts{needed: conn.replicas})
	}
	all := fold{}
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		report, err := checkOne(ctx, node, facts{needed: conn.replicas, asCluster: true})
		if err != nil {
			return fmt.Errorf("%s: %w", node.Options().Addr, err)
		}
		all.add(node.Options().Addr, report)
		return nil
	})
	if err != nil {
		return Report{}, unavailable(err)
	}
	return all.report, nil
}

// fold makes one report of those of a Cluster's primaries, which are asked at
// the same time.
type fold struct {
	mu     sync.Mutex
	seen   bool
	report Report
}

func (f *fold) add(addr string, r Report) {
	for i := range r.Findings {
		r.Findings[i].Message = addr + ": " + r.Findings[i].Message
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	findings := append(f.report.Findings, r.Findings...)
	if !f.seen {
		f.report, f.seen = r, true
	}
	f.report.Findings = findings
}

// checkOne judges one server; expected is what has to be known beside its own
// words.
func checkOne(ctx context.Context, server redis.Cmdable, expected facts) (Report, error) {
	text, err := server.Info(ctx).Result()
	if err != nil {
		return Report{}, unavailable(err)
	}
	f := readInfo(text)
	f.asCluster, f.needed = expected.asCluster, expected.needed
	settings, err := server.ConfigGet(ctx, "append*").Result()
	if err != nil && !refused(err) {
		return Report{}, unavailable(err)
	}
	f.configRefused = err != nil
	f.appendFsync = settings["appendfsync"]
	return f.report(), nil
}

func unavailable(err error) error {
	if errors.Is(err, jobs.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("check redis: %w: %w", jobs.ErrUnavailable, err)
}

// refused tells a server that answers "not you" or "not here" from one that
// does not answer: managed ones keep CONFIG to themselves.
func refused(err error) bool {
	_, answered := errors.AsType[redis.Error](err)
	return answered
}
