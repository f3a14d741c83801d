package parts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tandemq/tandem/internal/jobs/redisconn"
)

// RedisWatch looks, now and then, whether Redis keeps what it accepts, so that
// nobody who accepts a job has to ask.
type RedisWatch struct {
	conn   *redisconn.Conn
	strict bool // what is wrong keeps jobs out; otherwise it is only said
	logger *slog.Logger
	state  atomic.Pointer[redisState]
}

// redisState is what looking has found.
type redisState struct {
	report *redisconn.Report // of the latest look that got an answer; nil before the first
	err    error             // why the latest look got none
}

// How often to look: more often after something was wrong.
const (
	watchEvery  = 30 * time.Second
	watchSooner = 5 * time.Second
	watchFor    = 3 * time.Second
)

// NewRedisWatch returns a watch that has seen nothing yet.
func NewRedisWatch(conn *redisconn.Conn, strict bool, logger *slog.Logger) *RedisWatch {
	w := &RedisWatch{conn: conn, strict: strict, logger: logger}
	w.state.Store(&redisState{})
	return w
}

// Run looks until ctx ends. The first look happens at once.
func (w *RedisWatch) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			timer.Reset(w.look(ctx))
		}
	}
}

func (w *RedisWatch) look(ctx context.Context) (next time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, watchFor)
	defer cancel()
	report, err := redisconn.Check(ctx, w.conn)
	before := w.state.Load()
	after := redisState{&report, err}
	if err != nil {
		after.report = before.report
	}
	w.state.Store(&after)
	w.tell(before, &after)
	if err != nil || report.Err() != nil {
		return watchSooner
	}
	return watchEvery
}

// tell logs what is new: the same finding every few seconds would only teach
// people to overlook it.
func (w *RedisWatch) tell(before, after *redisState) {
	if after.err != nil {
		if before.err == nil {
			w.logger.Error("cannot check redis", slog.Any("error", after.err))
		}
		return
	}
	for _, f := range after.report.Findings {
		if !before.has(f.Code) {
			w.logger.Log(context.Background(), w.levelOf(f), "redis: "+f.Message,
				slog.String("code", f.Code), slog.String("advice", f.Advice))
		}
	}
}

func (s *redisState) has(code string) bool {
	return s.report != nil && slices.ContainsFunc(s.report.Findings, func(f redisconn.Finding) bool { return f.Code == code })
}

// levelOf is a warning where jobs are accepted all the same.
func (w *RedisWatch) levelOf(f redisconn.Finding) slog.Level {
	if w.strict && f.Severity == redisconn.Error {
		return slog.LevelError
	}
	return slog.LevelWarn
}

// errUnseen: whether Redis is fit is not known yet.
var errUnseen = errors.New("redis was not checked yet")

// Fit says why no job may be accepted now, nil when all is well: what the latest
// look found that got an answer. That Redis is away now is left to the call itself.
func (w *RedisWatch) Fit() error {
	if !w.strict {
		return nil
	}
	report := w.state.Load().report
	if report == nil {
		return errUnseen
	}
	return report.Err()
}

// Check is what a health check asks: Redis answered, and is fit.
func (w *RedisWatch) Check(ctx context.Context) error {
	if err := answers(ctx, w.conn); err != nil {
		return err
	}
	return w.Fit()
}

var (
	redisUp = prometheus.NewDesc("tandem_redis_up",
		"1 when the latest check of Redis got an answer.", nil, nil)
	redisUsed = prometheus.NewDesc("tandem_redis_memory_used_bytes",
		"Memory that Redis uses.", nil, nil)
	redisMax = prometheus.NewDesc("tandem_redis_memory_max_bytes",
		"Memory that Redis may use, 0 without a limit.", nil, nil)
	redisFinding = prometheus.NewDesc("tandem_redis_finding",
		"1 for each thing that the latest check found wrong.", []string{"code", "severity"}, nil)
	redisInfo = prometheus.NewDesc("tandem_redis_info",
		"How Redis is set up.", []string{"version", "role", "eviction_policy", "append_only", "append_fsync"}, nil)
)

// Describe implements prometheus.Collector.
func (w *RedisWatch) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{redisUp, redisUsed, redisMax, redisFinding, redisInfo} {
		out <- desc
	}
}

// Collect implements prometheus.Collector. It asks nobody.
func (w *RedisWatch) Collect(out chan<- prometheus.Metric) {
	state := w.state.Load()
	if *state == (redisState{}) {
		return // it has not looked yet
	}
	out <- gauge(redisUp, flag(state.err == nil))
	if state.err != nil {
		return
	}
	r := state.report
	out <- gauge(redisUsed, float64(r.UsedMemory))
	out <- gauge(redisMax, float64(r.MaxMemory))
	out <- gauge(redisInfo, 1, r.Version, r.Role, r.EvictionPolicy, fmt.Sprint(r.AppendOnly), r.AppendFsync)
	told := map[string]bool{}
	for _, f := range r.Findings { // a Cluster may have one on several servers
		if !told[f.Code] {
			told[f.Code] = true
			out <- gauge(redisFinding, 1, f.Code, string(f.Severity))
		}
	}
}
