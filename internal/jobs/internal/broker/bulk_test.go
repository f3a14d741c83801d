package broker_test

import (
	"fmt"
	"testing"

	"github.com/tandemq/tandem/internal/jobs/internal/broker"
	"github.com/tandemq/tandem/internal/redistest"
)

func batch(n int) []broker.NewJob {
	list := make([]broker.NewJob, n)
	for i := range list {
		list[i] = newJob(fmt.Sprintf("j%04d", i))
	}
	return list
}

// holdsBatch checks that each job of a batch waits once, in its order.
func (f *fixture) holdsBatch(n int) {
	f.Helper()
	f.must()
	ids := f.client.LRange(f.ctx, f.keys.Wait(), 0, -1).Val()
	if len(ids) != n {
		f.Fatalf("%d jobs wait, wanted %d", len(ids), n)
	}
	for i, id := range ids {
		if want := fmt.Sprintf("j%04d", n-1-i); id != want {
			f.Fatalf("place %d has %s, wanted %s", i, id, want)
		}
	}
	// A late sending may count its jobs a second time: numbers can be left out.
	count, err := f.client.Get(f.ctx, f.keys.Base()+"id").Int()
	if err != nil || count < n {
		f.Errorf("the counter is %d, wanted %d: %v", count, n, err)
	}
}

func TestAddManyStoresEachJobOnceInOrder(t *testing.T) {
	for _, n := range []int{0, 1, broker.MaxBatch, broker.MaxBatch + 1, 1_234} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			eachFixture(t, func(t *testing.T, f *fixture) {
				if err := f.client.ScriptFlush(f.ctx).Err(); err != nil {
					t.Fatal(err)
				}
				existed, err := f.broker().AddMany(f.ctx, batch(n))
				if err != nil || len(existed) != n {
					t.Fatalf("%d answers, error %v", len(existed), err)
				}
				if n > 0 {
					f.holdsBatch(n)
				}
			})
		})
	}
}

// A pipeline that breaks off in the middle: some groups ran, some did not, and of
// one the reply is lost.
func TestAddManyOverABrokenConnectionStoresEachJobOnce(t *testing.T) {
	losses := map[string]redistest.Action{
		"a reply is lost":       redistest.CutReply(0),
		"half a reply is lost":  redistest.CutReply(5),
		"a request is not sent": redistest.DropRequest(),
	}
	for name, loss := range losses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redistest.Each(t, func(t *testing.T, server *redistest.Server) {
				f := newFixture(t, server)
				f.add(newJob("warm"))
				f.do("del Q:wait Q:warm Q:id Q:events")
				proxy := redistest.Proxy(t, server)
				f.client = proxy.Client(t)
				proxy.OnRequest(redistest.Nth(3, "evalsha", loss))
				existed, err := f.broker().AddMany(f.ctx, batch(400))
				if err != nil || len(existed) != 400 {
					t.Fatalf("%d answers, error %v", len(existed), err)
				}
				f.client = server.Client(t) // the proxy's may have a connection that was cut just now
				for i, was := range existed {
					if was {
						t.Errorf("job %d is said to have been there before", i)
					}
				}
				f.holdsBatch(400)
			})
		})
	}
}
