package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/queue"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/proof/ledger"
	"github.com/tandemq/tandem/proof/task"
)

// producer adds n jobs from several goroutines and repeats what may not have
// been stored, as a client with an Idempotency-Key does.
type producer struct {
	n        int
	rate     float64
	parallel int
	name     string
	seed     uint64
	only     string
	ms       int
	first    int
	made     bool
	unranked bool
	delayed  int
	patience time.Duration
	mix      task.Mix

	book  *ledger.Writer
	queue *queue.Queue
}

func (p *producer) register(f *flag.FlagSet) {
	f.IntVar(&p.n, "n", 1000, "how many jobs to add")
	f.Float64Var(&p.rate, "rate", 0, "jobs per second; 0 is as fast as it goes")
	f.IntVar(&p.parallel, "parallel", 4, "adds under way at a time")
	f.StringVar(&p.name, "name", "p", "first part of every job's key")
	f.IntVar(&p.first, "first", 0, "number of the first job")
	f.Uint64Var(&p.seed, "seed", 1, "decides what the jobs do")
	f.StringVar(&p.only, "only", "", "every job does this `deed`")
	f.IntVar(&p.ms, "ms", 0, "how long a job works, with -only")
	f.BoolVar(&p.made, "made", false, "let the queue make the ids")
	f.BoolVar(&p.unranked, "unranked", false, "give no job a priority: they stand in one line")
	f.IntVar(&p.delayed, "delayed", 0, "of a thousand, are put off for up to two seconds")
	f.DurationVar(&p.patience, "patience", 2*time.Second, "deadline of one add")
	f.IntVar(&p.mix.Fail, "fail", 0, "of a thousand, fail and succeed later")
	f.IntVar(&p.mix.Panic, "panic", 0, "of a thousand, panic and succeed later")
	f.IntVar(&p.mix.Refuse, "refuse", 0, "of a thousand, fail for good at once")
	f.IntVar(&p.mix.Exhaust, "exhaust", 0, "of a thousand, use up their attempts")
	f.IntVar(&p.mix.Eat, "eat", 0, "of a thousand, take memory")
	f.IntVar(&p.mix.Deaf, "deaf", 0, "of a thousand, ignore their context")
	f.IntVar(&p.mix.Kill, "poison", 0, "of a thousand, kill their worker")
	f.DurationVar(&p.mix.Work, "work", 0, "longest usual work")
	f.IntVar(&p.mix.Long, "long", 0, "of a thousand, work for -long-for")
	f.DurationVar(&p.mix.LongFor, "long-for", 0, "work of the long ones")
}

// order is one job to add.
type order struct {
	task    task.Task
	options jobs.Options
}

func (p *producer) run(ctx context.Context, conn *redisconn.Conn, c common, book *ledger.Writer) error {
	q, err := queue.New(conn, c.queue, queue.Options{Prefix: c.prefix})
	if err != nil {
		return err
	}
	p.book, p.queue = book, q
	orders := make(chan order)
	var clerks sync.WaitGroup
	for range max(1, p.parallel) {
		clerks.Go(func() {
			for o := range orders {
				p.add(ctx, o)
			}
		})
	}
	p.draw(ctx, orders)
	close(orders)
	clerks.Wait()
	q.Close()
	return book.Err()
}

// draw hands out the orders at the rate that was asked for.
func (p *producer) draw(ctx context.Context, orders chan<- order) {
	r := rand.New(rand.NewPCG(p.seed, uint64(p.first)))
	began := time.Now()
	for i := range p.n {
		if p.rate > 0 {
			pause(ctx, time.Until(began.Add(time.Duration(float64(i)/p.rate*float64(time.Second)))))
		}
		select {
		case orders <- p.order(r, p.first+i):
		case <-ctx.Done():
			return
		}
	}
}

func (p *producer) order(r *rand.Rand, i int) order {
	t := p.mix.Draw(r, p.name+"-"+strconv.Itoa(i))
	if p.only != "" {
		t.Do, t.Ms = task.Deed(p.only), p.ms
	}
	o := t.Options()
	o.Priority = jobs.Unprioritized
	if !p.unranked {
		o.Priority = []jobs.Priority{jobs.Critical, jobs.High, jobs.Normal, jobs.Normal, jobs.Low, jobs.Unprioritized}[r.IntN(6)]
	}
	if r.IntN(1000) < p.delayed {
		o.Delay = time.Duration(1+r.IntN(2000)) * time.Millisecond
	}
	if !p.made {
		o.ID = t.Key
	}
	return order{t, o}
}

// add stores one job, however long it takes, and writes down each answer.
func (p *producer) add(ctx context.Context, o order) {
	p.book.Add(ledger.Entry{Kind: ledger.Intent, Key: o.task.Key, Word: string(o.task.Want()), N: int64(o.options.Priority), Until: due(o.options)})
	for unsure := false; ctx.Err() == nil; unsure = true {
		added, err := p.try(ctx, o)
		e := ledger.Entry{Kind: ledger.Acked, Key: o.task.Key, ID: added.ID}
		switch {
		case err == nil:
			if added.Existed && !unsure {
				e.N = 1 // nobody but us uses this id, and we have not added it before
			}
			p.book.Add(e)
			return
		case errors.Is(err, jobs.ErrUnavailable):
			e.Kind, e.Text = ledger.Unknown, err.Error()
			p.book.Add(e)
			o.options.ID = added.ID
			pause(ctx, 100*time.Millisecond)
		default:
			e.Kind, e.Text = ledger.Denied, err.Error()
			p.book.Add(e)
			return
		}
	}
}

// due is before when a job must not begin: the server counts its delay from when
// it hears of it, which is later than now.
func due(o jobs.Options) int64 {
	if o.Delay == 0 {
		return 0
	}
	return ledger.In(o.Delay)
}

func (p *producer) try(ctx context.Context, o order) (queue.Added, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.patience)
	defer cancel()
	added, err := p.queue.Add(ctx, string(o.task.Do), o.task, o.options)
	if err != nil {
		err = fmt.Errorf("add %s: %w", o.task.Key, err)
	}
	return added, err
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
