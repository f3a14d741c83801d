package simulation

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/queue"
)

// produce adds the jobs, and each bulk in one call: one after the other where
// the order counts, otherwise each at its time, whether or not the ones before
// were answered.
func (w *world) produce() {
	conn, err := w.net.link(w.number(1), w.plan.losses).open()
	if err != nil {
		w.breaks("open the producer", err)
		return
	}
	q, err := queue.New(conn, queueName, queue.Options{})
	if err != nil {
		w.breaks("open the queue", err)
		return
	}
	var calls sync.WaitGroup
	for first, n := 0, 1; first < len(w.plan.jobs); first += n {
		add := func() { w.add(q, first) }
		n = 1
		if b := w.plan.bulkAt(first); b != nil {
			add, n = func() { w.addBulk(q, b) }, b.count
		}
		w.at(w.plan.jobs[first].at)
		if w.plan.mood == orderly {
			add()
		} else {
			calls.Go(add)
		}
	}
	calls.Wait()
	q.Close()
	w.breaks("close the producer", conn.Close())
}

// perCall is how long a producer waits for an answer.
const perCall = 2 * time.Second

// item is a job of the plan as its producer adds it.
func (w *world) item(i int) queue.Item {
	job := &w.plan.jobs[i]
	o := job.options
	if job.named {
		o.ID = "job-" + strconv.Itoa(i)
	}
	if job.runAt > 0 {
		o.RunAt = w.began.Add(job.runAt)
	}
	return queue.Item{Name: "j" + strconv.Itoa(i), Payload: i, Options: o}
}

// add stores one job. A stubborn producer asks until it knows.
func (w *world) add(q *queue.Queue, i int) {
	it := w.item(i)
	for {
		a := added{job: i, call: time.Now()}
		ctx, cancel := context.WithTimeout(context.Background(), perCall)
		result, err := q.Add(ctx, it.Name, it.Payload, it.Options)
		cancel()
		a.id, a.existed, a.err, a.at = result.ID, result.Existed, err, time.Now()
		w.ledger.add(a)
		if err != nil && !errors.Is(err, jobs.ErrUnavailable) {
			w.breaks("add a job", err)
			return
		}
		if err == nil || !w.plan.jobs[i].stubborn {
			return
		}
		it.Options.ID = result.ID
	}
}

// addBulk stores the jobs of a bulk. A stubborn producer sends again, all
// together, those of which it does not know.
func (w *world) addBulk(q *queue.Queue, b *bulk) {
	var items []queue.Item
	var numbers []int
	for i := b.first; i < b.first+b.count; i++ {
		items, numbers = append(items, w.item(i)), append(numbers, i)
	}
	for {
		call := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), perCall)
		results, err := q.AddBulk(ctx, items, queue.Bulk{})
		cancel()
		doubt := 0
		for k, r := range results {
			w.ledger.add(added{job: numbers[k], id: r.ID, call: call, at: time.Now(), existed: r.Existed, err: r.Err})
			if r.Err != nil {
				items[doubt], numbers[doubt] = items[k], numbers[k]
				items[doubt].Options.ID = r.ID
				doubt++
			}
		}
		if err != nil && !errors.Is(err, jobs.ErrUnavailable) || (err == nil) != (doubt == 0) {
			w.breaks("add a bulk", fmt.Errorf("%d of %d results with an error: %w", doubt, len(results), err))
			return
		}
		if err == nil || !b.stubborn {
			return
		}
		items, numbers = items[:doubt], numbers[:doubt]
	}
}
