package peer

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// Asynq is github.com/hibiken/asynq, with its defaults but where a comment says
// otherwise: a finished job is deleted. It has no call for many jobs, so a bulk is
// many callers at once.
type Asynq struct {
	server asynq.RedisClientOpt
	client *asynq.Client
	probe  *redis.Client // looks whether outcomes are stored, which asynq does not tell
}

// bulkCallers is the number from which more callers do not make it faster.
const bulkCallers = 200

// oftenForDelays is how often it looks for delayed jobs and retries where there
// are any. Its default is 5 s, and nothing else would be measured.
const oftenForDelays = 100 * time.Millisecond

// NewAsynq returns asynq on the Redis with this URL.
func NewAsynq(url string) (*Asynq, error) {
	probe, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("redis url: %w", err)
	}
	server := asynq.RedisClientOpt{Addr: probe.Addr, Username: probe.Username, Password: probe.Password, DB: probe.DB}
	return &Asynq{server: server, client: asynq.NewClient(server), probe: redis.NewClient(probe)}, nil
}

// Add implements System.
func (a *Asynq) Add(ctx context.Context, queue string, p Payload, o JobOptions) error {
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	options := []asynq.Option{asynq.Queue(queue)}
	if o.DueAt > 0 {
		options = append(options, asynq.ProcessAt(time.UnixMilli(o.DueAt)))
	}
	if o.Attempts > 0 {
		options = append(options, asynq.MaxRetry(o.Attempts-1))
	}
	_, err = a.client.EnqueueContext(ctx, asynq.NewTask(jobName, data), options...)
	return err
}

// AddBulk implements System.
func (a *Asynq) AddBulk(ctx context.Context, queue string, payloads []Payload, o JobOptions) error {
	next := make(chan Payload, len(payloads))
	for _, p := range payloads {
		next <- p
	}
	close(next)
	return together(min(bulkCallers, len(payloads)), func() error {
		for p := range next {
			if err := a.Add(ctx, queue, p, o); err != nil {
				return err
			}
		}
		return nil
	})
}

// Worker implements System: one server for all queues, as asynq is used.
func (a *Asynq) Worker(o WorkerOptions) (Worker, error) {
	weights := map[string]int{}
	for _, name := range o.Queues {
		weights[name] = 1
	}
	w := &asynqWorker{asynq: a, queues: o.Queues, handle: o.Handle, finished: make(chan bool, finishedRoom)}
	config := asynq.Config{
		Concurrency: o.Concurrency, Queues: weights, LogLevel: asynq.FatalLevel,
		RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return 0 },
	}
	if o.Delays {
		config.DelayedTaskCheckInterval = oftenForDelays
	}
	// With its default, ten connections for each core, a hundred handlers wait for
	// them: a job costs half as much again. Adding is not faster with more.
	server := a.server
	server.PoolSize = o.Concurrency + 20
	w.server = asynq.NewServer(server, config)
	return w, nil
}

// Close implements System.
func (a *Asynq) Close() error {
	if err := a.client.Close(); err != nil {
		return err
	}
	return a.probe.Close()
}

type asynqWorker struct {
	asynq    *Asynq
	queues   []string
	server   *asynq.Server
	handle   Handler
	finished chan bool
}

// run is asynq's handler. What it returns is stored after it returned.
func (w *asynqWorker) run(ctx context.Context, task *asynq.Task) error {
	var p Payload
	if err := json.Unmarshal(task.Payload(), &p); err != nil {
		return fmt.Errorf("%w: %w", err, asynq.SkipRetry)
	}
	retried, _ := asynq.GetRetryCount(ctx)
	most, _ := asynq.GetMaxRetry(ctx)
	err := w.handle(p, retried+1)
	if err == nil || retried >= most {
		w.finished <- err == nil
	}
	return err
}

func (w *asynqWorker) Start() error { return w.server.Start(asynq.HandlerFunc(w.run)) }

func (w *asynqWorker) Finished() <-chan bool { return w.finished }

// Settle asks Redis until no job is active any more.
func (w *asynqWorker) Settle(ctx context.Context) error {
	for _, queue := range w.queues {
		for {
			n, err := w.asynq.probe.LLen(ctx, "asynq:{"+queue+"}:active").Result()
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

func (w *asynqWorker) Stop() error {
	w.server.Shutdown()
	return nil
}
