package simulation

import (
	"context"
	"time"

	"github.com/tandemq/tandem/internal/jobs/admin"
)

// register says which process a host runs now.
func (w *world) register(host int, p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running == nil {
		w.running = map[int]*process{}
	}
	w.running[host] = p
}

func (w *world) onHost(host int) *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.running[host]
}

// suffer lets one fault happen.
func (w *world) suffer(f fault) {
	w.at(f.at)
	switch f.what {
	case restart:
		w.net.reset(true)
		time.Sleep(f.length)
		w.net.up()
		w.forget()
	case stall:
		w.net.stall(f.length)
	case freeze:
		if p := w.onHost(f.host); p != nil {
			p.link.freeze(f.length)
		}
	case step:
		w.ledger.stepped(f.length)
		w.ahead.Add(int64(f.length))
	case flush:
		w.forget()
	case reset:
		w.net.reset(false)
	}
}

// operate does what the plan's operator does, over a way with losses of its own.
func (w *world) operate() {
	if len(w.plan.acts) == 0 {
		return
	}
	conn, err := w.net.link(w.number(3), w.plan.losses).open()
	if err != nil {
		w.breaks("open the operator", err)
		return
	}
	q, err := admin.New(conn, "", queueName)
	w.breaks("open the operator's queue", err)
	for _, a := range w.plan.inOrder() {
		w.at(a.at)
		w.act(q, a)
	}
	w.breaks("close the operator", conn.Close())
}

func (w *world) act(q *admin.Queue, a act) {
	id, known := w.ledger.idOf(a.job)
	if !known {
		return // not added yet
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	d := deed{act: a, id: id, call: time.Now()}
	switch a.what {
	case pause:
		_, d.err = q.Pause(ctx)
	case resume:
		d.err = q.Resume(ctx)
	case retry:
		d.err = q.Retry(ctx, id, admin.Retry{})
	case anew:
		d.err = q.Retry(ctx, id, admin.Retry{ResetAttempts: true})
	case remove:
		d.err = q.Remove(ctx, id, false)
	case promote:
		d.err = q.Promote(ctx, id)
	case rerank:
		d.err = q.ChangePriority(ctx, id, a.priority, false)
	case delay:
		d.err = q.ChangeDelay(ctx, id, a.delay)
	}
	d.at = time.Now()
	w.ledger.did(d)
}

// forget makes the server forget its scripts. It may be just coming back.
func (w *world) forget() {
	w.insist("flush the scripts", func(ctx context.Context) error { return w.overseer.ScriptFlush(ctx).Err() })
}

// insist does something that may be done more than once, until the server
// answers.
func (w *world) insist(what string, do func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		err := do(ctx)
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			w.breaks(what, err)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
