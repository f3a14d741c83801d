package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/hibiken/asynq"

	"github.com/tandemq/tandem/proof/ledger"
	"github.com/tandemq/tandem/proof/task"
)

// keep is how long a finished job can be looked at, which is longer than a run.
const keep = time.Hour

// producer adds the jobs of a file and repeats what may not have been stored, as
// far as that can be done without making two of one.
type producer struct {
	*common
	file     string
	rate     float64
	parallel int
	made     bool
	client   *asynq.Client
}

func (p *producer) register(f *flag.FlagSet) {
	f.StringVar(&p.file, "tasks", "", "`file` with the jobs")
	f.Float64Var(&p.rate, "rate", 0, "jobs per second; 0 is as fast as it goes")
	f.IntVar(&p.parallel, "parallel", 1, "adds under way at a time")
	f.BoolVar(&p.made, "made", false, "let the library make the ids")
}

func (p *producer) run(ctx context.Context, server asynq.RedisConnOpt) error {
	tasks, err := read(p.file)
	if err != nil {
		return err
	}
	p.client = asynq.NewClient(server)
	defer p.client.Close()
	next := make(chan task.Task)
	var clerks sync.WaitGroup
	for range max(1, p.parallel) {
		clerks.Go(func() {
			for t := range next {
				p.add(ctx, t)
			}
		})
	}
	began := time.Now()
	for i, t := range tasks {
		if p.rate > 0 {
			pause(ctx, time.Until(began.Add(time.Duration(float64(i)/p.rate*float64(time.Second)))))
		}
		if ctx.Err() != nil {
			break
		}
		next <- t
	}
	close(next)
	clerks.Wait()
	return p.book.Err()
}

func read(name string) (tasks []task.Task, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var t task.Task
		if err := json.Unmarshal(lines.Bytes(), &t); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		tasks = append(tasks, t)
	}
	return tasks, lines.Err()
}

// add stores one job and writes down each answer. A conflict is an answer to a
// repetition; to a first add it is an error.
func (p *producer) add(ctx context.Context, t task.Task) {
	p.book.Add(ledger.Entry{Kind: ledger.Intent, Key: t.Key, Word: string(t.Want())})
	for unsure := false; ctx.Err() == nil; unsure = true {
		id, err := p.try(ctx, t)
		e := ledger.Entry{Kind: ledger.Acked, Key: t.Key, ID: id}
		conflict := errors.Is(err, asynq.ErrTaskIDConflict)
		switch {
		case err == nil, conflict && unsure:
			p.book.Add(e)
			return
		case conflict:
			e.Kind, e.Text = ledger.Denied, err.Error()
			p.book.Add(e)
			return
		}
		e.Kind, e.Text = ledger.Unknown, err.Error()
		p.book.Add(e)
		if p.made {
			return // nobody knows its id: another add might be a second job
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// try returns the id of the job, which is known also after an error when it is
// the client's choice.
func (p *producer) try(ctx context.Context, t task.Task) (id string, err error) {
	data, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	options := []asynq.Option{asynq.Queue(p.queue), asynq.Retention(keep)}
	if !p.made {
		id = t.Key
		options = append(options, asynq.TaskID(id))
	}
	info, err := p.client.EnqueueContext(context.WithoutCancel(ctx), asynq.NewTask(string(t.Do), data), options...)
	if err != nil {
		return id, fmt.Errorf("enqueue %s: %w", t.Key, err)
	}
	return info.ID, nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(max(0, d))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
