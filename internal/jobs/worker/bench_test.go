package worker_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/jobstest"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/internal/redistest"
)

// usage is what a server has spent so far.
type usage struct{ cpuMicros, commands float64 }

func used(b *testing.B, bench *jobstest.Bench) usage {
	b.Helper()
	text, err := bench.Conn.Info(b.Context()).Result()
	if err != nil {
		b.Fatal(err)
	}
	info := map[string]float64{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			info[name] = n
		}
	}
	return usage{1e6 * (info["used_cpu_user"] + info["used_cpu_sys"]), info["total_commands_processed"]}
}

// measured runs work on n jobs and reports what each cost. Commands count those
// that scripts call, as Redis does.
func measured(b *testing.B, bench *jobstest.Bench, n int, work func()) {
	b.Helper()
	b.ReportAllocs()
	before := used(b, bench)
	b.ResetTimer()
	work()
	b.StopTimer()
	after := used(b, bench)
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "jobs/s")
	b.ReportMetric((after.cpuMicros-before.cpuMicros)/float64(n), "redis-µs/job")
	b.ReportMetric((after.commands-before.commands)/float64(n), "commands/job")
}

// own is a bench on a server that nobody else uses, so that its CPU is ours.
func own(b *testing.B) *jobstest.Bench {
	return jobstest.On(b, redistest.Own(b, redistest.Options{}).Server)
}

func BenchmarkAdd(b *testing.B) {
	for _, adders := range []int{1, 50} {
		b.Run(fmt.Sprintf("adders=%d", adders), func(b *testing.B) {
			bench := own(b)
			q := bench.Queue("q", queue.Options{})
			b.SetParallelism(max(1, adders/2)) // times GOMAXPROCS
			measured(b, bench, b.N, func() {
				if adders == 1 {
					for range b.N {
						bench.Add(q, "work", 1, jobs.Options{})
					}
					return
				}
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, err := q.Add(context.Background(), "work", 1, jobs.Options{}); err != nil {
							b.Error(err)
						}
					}
				})
			})
		})
	}
}

func BenchmarkAddBulk(b *testing.B) {
	bench := own(b)
	q := bench.Queue("q", queue.Options{})
	measured(b, bench, b.N, func() { fill(b, q, b.N) })
}

func fill(b *testing.B, q *queue.Queue, n int) {
	b.Helper()
	for ; n > 0; n -= 1000 {
		items := make([]queue.Item, min(n, 1000))
		for i := range items {
			items[i] = queue.Item{Name: "work", Payload: i}
		}
		if _, err := q.AddBulk(context.Background(), items, queue.Bulk{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFetchAndFinish(b *testing.B) {
	for _, concurrency := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("concurrency=%d", concurrency), func(b *testing.B) {
			bench := own(b)
			fill(b, bench.Queue("q", queue.Options{}), b.N)
			var ended atomic.Int64
			done := make(chan struct{})
			measured(b, bench, b.N, func() {
				bench.Pool("q", all(nothing), worker.Options{Concurrency: concurrency, OnAttempt: func(worker.Attempt) {
					if int(ended.Add(1)) == b.N {
						close(done)
					}
				}})
				<-done
			})
		})
	}
}
