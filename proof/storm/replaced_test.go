package storm_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/tandemq/tandem/proof/check"
	"github.com/tandemq/tandem/proof/promises"
	"github.com/tandemq/tandem/proof/storm"
)

// Primaries are replaced, or live on as zombies, and slots move, while workers
// die and stand still. An outcome may be forgotten with the primary that took it,
// and its job run again; but no accepted job is lost, stuck, doubled or failed.
func TestNothingIsLostWherePrimariesAreReplaced(t *testing.T) {
	t.Parallel()
	grounds := map[string]func(testing.TB) *storm.Ground{"under Sentinels": storm.UnderSentinels, "in a Cluster": storm.InACluster}
	for name, ground := range grounds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			site := storm.New(t, replaced(t, ground(t)))
			plan := storm.Draw(*seed, sizedFaults(), 2*time.Second, site.OfGround(), site.OfProcesses())
			site.Start()
			site.Run(t.Context(), plan)
			report, err := site.Finish(t.Context())
			for _, p := range site.Problems() {
				t.Error(p)
			}
			row := promises.Row{Name: "storm of replaced primaries, " + name, Goal: "0 lost, stuck, doubled, falsely refused or failed for another's fault"}
			if err != nil {
				row.Measured = "cannot be told: " + err.Error()
				publish(t, []promises.Row{row})
				t.Fatal(err)
			}
			t.Log(report)
			row.Measured, row.N, row.Holds = broken(report), report.Jobs, report.Clean() && len(site.Problems()) == 0
			row.Of = fmt.Sprintf("jobs, %d starts, %d faults, %d deaths of processes", report.Starts, report.Faults, report.Deaths)
			if !report.Clean() {
				t.Errorf("promises broken; run it again with -args -seed=%d", *seed)
			}
			publish(t, []promises.Row{row})
		})
	}
}

// sizedFaults is how many faults such a storm has.
func sizedFaults() int {
	if *campaign {
		return 60
	}
	return 6
}

// replaced is a site on such a ground. Producers go on until the faults are over.
func replaced(t *testing.T, ground *storm.Ground) storm.Setup {
	setup := storm.Setup{
		Subject: subject, Ground: ground, Workers: 3, Work: []string{"-concurrency", "5", "-keep", "100000"},
		Producers: 1, Chunk: 500, Chunks: 2, Steady: true,
		Produce: []string{
			"-rate", "100", "-parallel", "16", "-patience", "700ms", "-fail", "20", "-refuse", "10", "-delayed", "50",
			"-work", "40ms", "-long", "10", "-long-for", "2500ms",
		},
		Rules: check.Rules{Shutdown: shutdown, Forgets: true}, Patience: time.Minute,
	}
	if *evidence != "" {
		setup.Dir = keep(t, filepath.Join(*evidence, filepath.Base(t.Name())))
	}
	return setup
}
