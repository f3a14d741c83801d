package simulation

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandemq/tandem/internal/embedded"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/admin"
	"github.com/tandemq/tandem/internal/jobs/internal/invariant"
	"github.com/tandemq/tandem/internal/jobs/internal/wire"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
)

const queueName = "q"

// world is one run of one plan.
type world struct {
	plan   *plan
	ledger *ledger
	net    *network
	ahead  atomic.Int64 // ns by which the server's clock is ahead
	began  time.Time

	overseer *redisconn.Conn // sees the server when nobody else does
	admin    *admin.Queue

	lives   sync.WaitGroup // everything that the plan lets happen
	mu      sync.Mutex
	running map[int]*process // by host
	graves  []*process       // to be buried
	alive   []*process       // to be stopped at the end
	halted  *halted
	broken  []error // what should work and did not, before any promise is looked at

	healed, quiet time.Time
	finals        map[string]final
	unsound       []string // what invariant.Check found
}

// final is what is stored of a job at the end.
type final struct {
	state jobs.State
	job   *jobs.Job
}

// live runs a plan to its end, in the bubble of the caller. rewrite may spoil
// the scripts; nil does not.
func live(t *testing.T, p *plan, rewrite func(string) string) *world {
	w := &world{plan: p, ledger: &ledger{sends: map[string]int{}}, began: time.Now(), finals: map[string]final{}}
	w.ahead.Store(int64(p.skew))
	server, err := embedded.Start(embedded.Options{Detached: true, Clock: w.serverTime, Rewrite: rewrite, Watch: w.ledger.watch})
	if err != nil {
		t.Fatal(err)
	}
	w.net = &network{server: server}
	w.oversee(t)
	w.happen()
	w.heal()
	w.settle()
	w.lookAround(t)
	w.close()
	return w
}

func (w *world) serverTime() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

func (w *world) oversee(t *testing.T) {
	var err error
	if w.overseer, err = w.net.link(0, losses{}).open(); err != nil {
		t.Fatal(err)
	}
	if w.admin, err = admin.New(w.overseer, "", queueName); err != nil {
		t.Fatal(err)
	}
}

// breaks notes what went wrong with the run itself.
func (w *world) breaks(what string, err error) {
	if err == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = append(w.broken, fmt.Errorf("%s: %w", what, err))
}

// happen lets everything happen that the plan says, and waits until its end.
func (w *world) happen() {
	w.lives.Go(w.produce)
	for i, lives := range w.plan.hosts {
		w.lives.Go(func() { w.host(i, lives) })
	}
	for _, f := range w.plan.faults {
		w.lives.Go(func() { w.suffer(f) })
	}
	w.lives.Go(w.operate)
	w.lives.Go(w.stop)
	w.lives.Go(w.schedule)
	w.lives.Go(w.dedup)
	w.lives.Wait()
}

func (w *world) at(moment time.Duration) { time.Sleep(time.Until(w.began.Add(moment))) }

// host lives its lives one after the other.
func (w *world) host(number int, lives []life) {
	for i, l := range lives {
		w.at(l.begins)
		p, err := w.process(fmt.Sprintf("host%d-%d", number, i), w.number(10+10*number+i), l.slots)
		w.breaks("start a pool", err)
		if err != nil {
			return
		}
		w.register(number, p)
		if l.how == stays {
			w.keep(p)
			return
		}
		w.at(l.ends)
		if l.how == stops {
			w.breaks("stop a pool", p.stop(l.patience))
			continue
		}
		p.die(l.how == vanishes)
		w.mourn(p)
	}
}

// number makes the seed of one way's losses.
func (w *world) number(way int) uint64 { return uint64(w.plan.seed)*1000 + uint64(way) }

func (w *world) keep(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alive = append(w.alive, p)
}

func (w *world) mourn(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.graves = append(w.graves, p)
}

// job finds the plan of a job by its name.
func (w *world) job(name string) (*jobPlan, error) {
	switch name {
	case scheduler:
		return &w.plan.schedule.job, nil
	case onlyOne:
		return &w.plan.unique.job, nil
	}
	i, err := strconv.Atoi(name[1:])
	if err != nil || i >= len(w.plan.jobs) {
		return nil, fmt.Errorf("job %q is not in the plan", name)
	}
	return &w.plan.jobs[i], nil
}

// heal ends all faults and gives the jobs a pool that stays. An orderly plan has
// one already, and a second would take what a limit has left over out of order.
func (w *world) heal() {
	w.at(horizon)
	w.net.heal()
	w.healed = time.Now()
	if w.plan.mood == orderly {
		return
	}
	p, err := w.process("healer", w.number(2), 4)
	w.breaks("start the last pool", err)
	if err == nil {
		w.keep(p)
	}
}

// patience is how long a healed queue may take to run everything: the delays,
// backoffs and work of a plan, one after the other, and a clock that was set
// back.
const patience = 6 * time.Minute

// belated is how long after the last fault a call can still arrive that somebody
// has given up: the longest delay of one, and of a host that stood still.
const belated = 15 * time.Second

// settle waits until nothing is left to do or to arrive, or patience is over. The
// queue is resumed when no pause can arrive any more.
func (w *world) settle() {
	time.Sleep(belated)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	w.breaks("resume at the end", w.admin.Resume(ctx))
	for ctx.Err() == nil {
		c, err := w.admin.Counts(ctx)
		if err == nil && c.Waiting+c.Active+c.Delayed == 0 {
			w.quiet = time.Now()
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// lookAround stops the pools and reads what is stored.
func (w *world) lookAround(t *testing.T) {
	for _, p := range w.alive {
		w.breaks("stop at the end", p.stop(30*time.Second))
	}
	time.Sleep(time.Minute) // handlers that hear nothing return
	w.ledger.admitForeign()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, a := range w.ledger.adds {
		job, state, err := w.admin.Get(ctx, a.id)
		switch {
		case errors.Is(err, jobs.ErrNotFound):
			continue
		case err != nil:
			w.breaks("read job "+a.id, err)
		}
		w.finals[a.id] = final{state, job}
	}
	w.unsound = invariant.Check(t, w.overseer, wire.NewKeys("", queueName), invariant.Options{})
}

func (w *world) close() {
	for _, p := range w.graves {
		w.breaks("bury "+p.name, p.bury())
	}
	w.breaks("close the overseer", w.overseer.Close())
	time.Sleep(time.Minute)
	w.net.server.Close()
}
