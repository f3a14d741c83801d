package storm

import (
	"io/fs"
	"testing"
	"time"

	"github.com/tandemq/tandem/proof/check"
)

// Scenario is a short storm of one kind, with leases of a second, so that what a
// long one would show in minutes shows in seconds.
type Scenario struct {
	Name  string
	setup Setup
	lanes func(*Site) []Lane
	steps int
	gap   time.Duration
}

// Outcome is what a scenario came to.
type Outcome struct {
	*check.Report
	Problems []string
}

// Clean reports that nothing at all was found.
func (o Outcome) Clean() bool { return o.Report.Clean() && len(o.Problems) == 0 }

// Run lets the scenario happen to a subject. scripts are those that it has; nil
// for the ones of this tree.
func (sc Scenario) Run(tb testing.TB, subject string, scripts fs.FS, seed uint64) Outcome {
	tb.Helper()
	setup := sc.setup
	setup.Subject, setup.Scripts, setup.Lease = subject, scripts, time.Second
	setup.Rules.Shutdown = shortShutdown
	site := New(tb, setup)
	plan := Draw(seed, sc.steps, sc.gap, sc.lanes(site)...)
	site.Start()
	site.Run(tb.Context(), plan)
	report, err := site.Finish(tb.Context())
	if err != nil {
		tb.Fatalf("storm: %v; problems: %v", err, site.Problems())
	}
	return Outcome{report, site.Problems()}
}

// shortShutdown is how long jobs of a scenario may run on after SIGTERM.
const shortShutdown = 300 * time.Millisecond

// usual is two workers and a producer, with jobs of every kind.
func usual(work ...string) Setup {
	return Setup{
		Workers: 2, Work: append([]string{"-concurrency", "4", "-shutdown", shortShutdown.String()}, work...),
		Producers: 1, Chunk: 600, Chunks: 1, Patience: 12 * time.Second,
		Produce: []string{
			"-rate", "120", "-parallel", "8", "-patience", "700ms", "-work", "20ms", "-fail", "60", "-panic", "20",
			"-refuse", "30", "-exhaust", "10", "-delayed", "50", "-long", "30", "-long-for", "1500ms",
		},
	}
}

// Scenarios are all there are, by name.
func Scenarios() map[string]Scenario {
	all := map[string]Scenario{}
	for _, sc := range []Scenario{calm(), lone(), order(), deaths(), frozen(), losses(), restarts(), crashes(), poison(), burst(), hiccups()} {
		all[sc.Name] = sc
	}
	return all
}

func nothing(*Site) []Lane { return nil }

// calm has no faults at all, and expects jobs to begin at once.
func calm() Scenario {
	setup := usual()
	setup.Rules.Wake, setup.Rules.Quiet = 3500*time.Millisecond, true
	return Scenario{Name: "calm", setup: setup, lanes: nothing}
}

// lone lets the queue make the ids, and jobs come so seldom that each has to wake
// a worker.
func lone() Scenario {
	setup := usual()
	setup.Chunk = 24
	setup.Produce = []string{"-rate", "4", "-parallel", "1", "-made"}
	setup.Rules.Wake, setup.Rules.Quiet = 3500*time.Millisecond, true
	return Scenario{Name: "lone", setup: setup, lanes: nothing}
}

// order has one job at a time, and enough of them that a line forms.
func order() Scenario {
	setup := usual()
	setup.Workers, setup.Work = 1, []string{"-concurrency", "1", "-shutdown", shortShutdown.String()}
	setup.Produce = []string{"-parallel", "1", "-work", "4ms"}
	setup.Rules.FIFO = true
	return Scenario{Name: "order", setup: setup, steps: 2, gap: 2 * time.Second, lanes: func(s *Site) []Lane {
		return []Lane{s.only(s.OfWorkers(), "worker.kill", "worker.stop", "worker.freeze-long")}
	}}
}

// deaths kills workers, at random and at the border of each script.
func deaths() Scenario {
	setup := usual()
	setup.Rules.Recovery = 15 * time.Second
	setup.Produce = append(setup.Produce, "-fail", "500", "-long", "60", "-rate", "60")
	setup.Chunk = 300
	return Scenario{Name: "deaths", setup: setup, steps: 8, gap: 700 * time.Millisecond, lanes: func(s *Site) []Lane {
		return []Lane{s.only(s.OfWorkers(), "worker.kill", "worker.kill-all", "worker.kill-before-settle",
			"worker.kill-after-settle", "worker.kill-after-renew", "worker.kill-before-renew", "worker.kill-after-sweep")}
	}}
}

// frozen lets workers stand still for longer than their leases.
func frozen() Scenario {
	setup := usual("-concurrency", "8")
	setup.Produce = append(setup.Produce, "-long", "80", "-rate", "60")
	setup.Chunk = 300
	return Scenario{Name: "frozen", setup: setup, steps: 6, gap: 300 * time.Millisecond, lanes: func(s *Site) []Lane {
		return []Lane{s.only(s.OfWorkers(), "worker.freeze-long")}
	}}
}

// hiccups lets workers stand still again and again, for less than their leases.
func hiccups() Scenario {
	setup := usual("-concurrency", "8")
	setup.Produce = append(setup.Produce, "-long", "80", "-long-for", "2500ms", "-rate", "60")
	setup.Chunk = 300
	return Scenario{Name: "hiccups", setup: setup, steps: 10, gap: 200 * time.Millisecond, lanes: func(s *Site) []Lane {
		return []Lane{s.only(s.OfWorkers(), "worker.freeze-short")}
	}}
}

// burst has more jobs than workers can take, so that calls carry many.
func burst() Scenario {
	setup := usual("-concurrency", "20")
	setup.Chunk = 4000
	setup.Produce = []string{"-parallel", "50", "-work", "5ms"}
	setup.Rules.Quiet = true
	return Scenario{Name: "burst", setup: setup, lanes: nothing}
}

// losses loses requests and replies.
func losses() Scenario {
	setup := usual()
	setup.Rules.Wake = 3500 * time.Millisecond
	return Scenario{Name: "losses", setup: setup, steps: 30, gap: 200 * time.Millisecond, lanes: func(s *Site) []Lane {
		return []Lane{s.only(s.OfLinks(), "link.cut-settle", "link.cut-renew", "link.cut-add", "link.drop-settle", "link.drop-add", "link.close")}
	}}
}

// restarts stops workers in good order, again and again.
func restarts() Scenario {
	setup := usual("-concurrency", "8")
	setup.Produce = append(setup.Produce, "-work", "500ms", "-rate", "20", "-fail", "400", "-deaf", "20")
	setup.Chunk = 120
	return Scenario{Name: "restarts", setup: setup, steps: 8, gap: 600 * time.Millisecond, lanes: func(s *Site) []Lane {
		return []Lane{s.only(s.OfWorkers(), "worker.stop", "worker.roll")}
	}}
}

// crashes kills the server, takes its power, and lets it stand still.
func crashes() Scenario {
	setup := usual()
	return Scenario{Name: "crashes", setup: setup, steps: 5, gap: 500 * time.Millisecond, lanes: func(s *Site) []Lane {
		return []Lane{s.only(s.OfServer(), "redis killed", "power cut", "everything.kill", "scripts forgotten", "redis stopped")}
	}}
}

// poison has jobs that kill their workers, among others that do not.
func poison() Scenario {
	setup := usual()
	setup.Workers, setup.Patience = 3, 40*time.Second
	setup.Chunk, setup.Chunks, setup.Producers = 300, 1, 1
	setup.Produce = append(setup.Produce, "-poison", "7")
	return Scenario{Name: "poison", setup: setup, lanes: nothing}
}

// Soak lets the same processes work for a long time, while links break and the
// server comes and goes, and looks at what they grow to.
func Soak(lasting time.Duration) Scenario {
	setup := usual()
	setup.Chunk = int(120 * lasting.Seconds())
	steps := int(lasting / (2 * time.Second))
	return Scenario{Name: "soak", setup: setup, steps: steps, gap: 2 * time.Second, lanes: func(s *Site) []Lane {
		return []Lane{
			s.only(s.OfLinks(), "link.cut-settle", "link.cut-renew", "link.drop-settle", "link.close", "link.stall-short", "link.slow"),
			s.only(s.OfServer(), "redis killed", "redis stopped", "all connections closed", "scripts forgotten"),
		}
	}}
}

// only keeps the faults with these names. One that is not there is a mistake.
func (s *Site) only(lane Lane, names ...string) Lane {
	kept := Lane{Name: lane.Name}
	for _, name := range names {
		before := len(kept.Faults)
		for _, f := range lane.Faults {
			if f.Name == name {
				kept.Faults = append(kept.Faults, f)
			}
		}
		if len(kept.Faults) == before {
			s.tb.Fatalf("storm: no fault of the %s is named %q", lane.Name, name)
		}
	}
	return kept
}

// Fleets are scenarios with workers of the official Node client beside ours.
func Fleets() map[string]Scenario {
	setup := usual()
	setup.Produce = append(setup.Produce, "-delayed", "0") // a wrong clock promotes too early: that is the client's own
	setup.Extra = []func(url, dir string) []string{
		Node("bullmq", time.Second, time.Hour), Node("bullmq5", time.Second, -time.Minute),
	}
	deaths := Scenario{Name: "fleet-deaths", setup: setup, steps: 8, gap: time.Second, lanes: func(s *Site) []Lane {
		return []Lane{s.only(s.OfWorkers(), "worker.kill", "worker.kill-all", "worker.stop", "worker.freeze-short")}
	}}
	crashes := Scenario{Name: "fleet-crashes", setup: setup, steps: 5, gap: time.Second, lanes: func(s *Site) []Lane {
		return []Lane{s.only(s.OfServer(), "redis killed", "scripts forgotten", "redis asleep", "all connections closed")}
	}}
	return map[string]Scenario{deaths.Name: deaths, crashes.Name: crashes}
}
