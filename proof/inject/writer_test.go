package inject_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/proof/inject"
)

// writer sets one key after another, from a few connections, and knows which of
// them were acknowledged and how the others failed.
type writer struct {
	client *redis.Client
	stop   context.CancelFunc
	done   sync.WaitGroup
	next   atomic.Int64
	acked  atomic.Int64

	mu     sync.Mutex // guards the fields below
	keys   []string
	errors map[string]int // by their first word
}

func startWriter(t *testing.T, server *redistest.Server) *writer {
	t.Helper()
	o := server.Options()
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = 200*time.Millisecond, 200*time.Millisecond, 200*time.Millisecond
	o.DialerRetries = 1
	ctx, stop := context.WithCancel(context.Background())
	w := &writer{client: redis.NewClient(o), stop: stop, errors: map[string]int{}}
	for range 4 {
		w.done.Go(func() { w.write(ctx) })
	}
	t.Cleanup(w.end)
	return w
}

func (w *writer) write(ctx context.Context) {
	for ctx.Err() == nil {
		key := "w" + strconv.FormatInt(w.next.Add(1), 10)
		err := w.client.Set(ctx, key, "x", 0).Err()
		w.mu.Lock()
		if err == nil {
			w.keys = append(w.keys, key)
			w.acked.Add(1)
		} else {
			var word string
			fmt.Sscan(err.Error(), &word)
			w.errors[word]++
		}
		w.mu.Unlock()
	}
}

// end stops writing. It may be called twice.
func (w *writer) end() {
	w.stop()
	w.done.Wait()
	w.client.Close()
}

// more waits until so many further writes were acknowledged.
func (w *writer) more(t *testing.T, n int64) {
	t.Helper()
	target := w.acked.Load() + n
	eventually(t, fmt.Sprintf("%d more writes", n), func() bool { return w.acked.Load() >= target })
}

// saw reports how often a write failed with an error that begins with word.
func (w *writer) saw(word string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.errors[word]
}

// missing is how many acknowledged writes are not there.
func (w *writer) missing(t *testing.T, server *redistest.Server) int {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	there := int64(0)
	client := server.Client(t)
	for len(w.keys) > 0 {
		n := min(len(w.keys), 1000)
		found, err := client.Exists(t.Context(), w.keys[:n]...).Result()
		must(t, err)
		there += found
		w.keys = w.keys[n:]
	}
	return int(w.acked.Load() - there)
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(30 * time.Second)
	for !done() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// many repeats a fault that is over in a moment.
func many(n int, fault inject.Fault) inject.Fault {
	return inject.Fault{Name: fault.Name, Do: func(ctx context.Context, r *rand.Rand) error {
		for range n {
			if err := fault.Do(ctx, r); err != nil {
				return err
			}
		}
		return nil
	}}
}
