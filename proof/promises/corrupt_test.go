package promises_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/admin"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/jobs/worker"
	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/proof/inject"
	"github.com/tandemq/tandem/proof/promises"
)

// ward is a queue in which every kind of damage is done to one job, with a sound
// job behind each.
type ward struct {
	client  *redis.Client
	queue   *queue.Queue
	admin   *admin.Queue
	conn    *redisconn.Conn
	damages map[string]inject.Damage // by the id of the damaged job
	sound   []string

	mu   sync.Mutex // guards runs
	runs map[string]int
}

// Whatever stands in a job's record: the job ends, with a reason when it fails,
// does not come round again and again, and stops nobody else. The damage is done
// before the job runs, or while it runs.
func TestCorruptRecordsEndWithAReasonAndStopNobody(t *testing.T) {
	t.Parallel()
	var faults []string
	damaged := 0
	for _, moment := range []string{"before it runs", "while it runs"} {
		w := newWard(t, moment == "before it runs")
		found := w.cure(t, moment == "while it runs")
		for _, fault := range found {
			faults = append(faults, fault+", damaged "+moment)
		}
		damaged += len(w.damages)
	}
	for _, fault := range faults {
		t.Log(fault)
	}
	report(t, promises.Row{
		Name: "corrupt records", Goal: "0 stuck, looping, without a reason, or harmful to others",
		Measured: fmt.Sprint(len(faults)), N: damaged, Of: "jobs with damage of another kind each, before and while they run",
		Holds: len(faults) == 0,
	})
}

func newWard(t *testing.T, before bool) *ward {
	t.Helper()
	server := redistest.Own(t, redistest.Options{})
	conn := open(t, redisconn.Options{URL: server.URL})
	a, err := admin.New(conn, record().Prefix, record().Queue)
	must(t, err)
	w := &ward{
		client: server.Client(t), queue: newQueue(t, conn), admin: a, conn: conn,
		damages: map[string]inject.Damage{}, runs: map[string]int{},
	}
	for _, damage := range inject.Damages() {
		id := w.add(t)
		w.damages[id] = damage
		w.sound = append(w.sound, w.add(t))
		if before {
			w.damage(t.Context(), t, id)
		}
	}
	must(t, inject.Strangers(t.Context(), w.client, record()))
	return w
}

func (w *ward) add(t *testing.T) string {
	t.Helper()
	added, err := w.queue.Add(t.Context(), "work", json1, jobs.Options{Attempts: 2})
	must(t, err)
	return added.ID
}

func (w *ward) damage(ctx context.Context, t *testing.T, id string) {
	if err := w.damages[id].Apply(ctx, w.client, record(), id); err != nil {
		t.Errorf("damage %s: %v", w.damages[id].Name, err)
	}
}

// cure runs everything and tells what should not be.
func (w *ward) cure(t *testing.T, during bool) (faults []string) {
	t.Helper()
	work(t, w.conn, worker.Options{Concurrency: 5, LockDuration: time.Second, SweepInterval: time.Second}, func(ctx context.Context, task *worker.Task) (any, error) {
		w.mu.Lock()
		w.runs[task.ID]++
		w.mu.Unlock()
		if _, ok := w.damages[task.ID]; ok && during {
			w.damage(context.WithoutCancel(ctx), t, task.ID)
		}
		return "done", nil
	})
	w.settle(t)
	if n := inLine(t, w.client); n > 0 {
		faults = append(faults, fmt.Sprintf("%d ids are still in line", n))
	}
	for _, id := range w.sound {
		if _, state, err := w.admin.Get(t.Context(), id); err != nil || state != jobs.Completed {
			faults = append(faults, fmt.Sprintf("a sound job is %s: %v", state, err))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.damages)) {
		if fault := w.wrong(t, id); fault != "" {
			faults = append(faults, fmt.Sprintf("%s: %s", w.damages[id].Name, fault))
		}
	}
	return faults
}

// settle waits until nothing is left to do, or for as long as that may take.
func (w *ward) settle(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for ctx.Err() == nil && inLine(t, w.client) > 0 {
		_ = wait(ctx, 20*time.Millisecond) // the loop ends with the context
	}
}

// wrong tells what should not be with a damaged job; "" is nothing.
func (w *ward) wrong(t *testing.T, id string) string {
	t.Helper()
	w.mu.Lock()
	runs := w.runs[id]
	w.mu.Unlock()
	if runs > 2 {
		return fmt.Sprintf("it ran %d times", runs)
	}
	for place := range strings.FieldsSeq("prioritized delayed") {
		if w.client.ZScore(t.Context(), record().Key(place), id).Err() == nil {
			return "it is still " + place
		}
	}
	if w.client.LPos(t.Context(), record().Key("active"), id, redis.LPosArgs{}).Err() == nil {
		return "it is still active"
	}
	failed := w.client.ZScore(t.Context(), record().Key("failed"), id).Err() == nil
	completed := w.client.ZScore(t.Context(), record().Key("completed"), id).Err() == nil
	switch {
	case failed && completed:
		return "it has completed and failed"
	case !failed && !completed && !w.damages[id].NoRecord:
		return "it has not ended"
	}
	if reason, err := w.client.HGet(t.Context(), record().Key(id), "failedReason").Result(); failed && reason == "" {
		return fmt.Sprintf("it failed without a reason: %v", err)
	}
	return ""
}
