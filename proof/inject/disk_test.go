package inject_test

import (
	"testing"
	"time"

	"github.com/tandemq/tandem/proof/inject"
)

// The two halves of this prove each other: what loses writes under one setting
// is a power cut, and what loses none under the other is a sync.
func TestAPowerCutTakesWhatWasNotSynced(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		sync  string
		torn  bool
		loses bool
	}{
		"synced before the answer": {sync: "appendfsync always"},
		"torn behind the sync":     {sync: "appendfsync always", torn: true},
		"synced every second":      {sync: "appendfsync everysec", loses: true},
		"synced when it suits":     {sync: "appendfsync no", loses: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := inject.NewDisk(t, "appendonly yes", test.sync)
			w := startWriter(t, disk.Server)
			w.more(t, 500)
			lost, err := disk.Cut(chance(), test.torn)
			must(t, err)
			w.more(t, 100)
			w.end()
			missing := w.missing(t, disk.Server)
			if (missing > 0) != test.loses {
				t.Errorf("%d acknowledged writes are gone, %d bytes", missing, lost)
			}
			t.Logf("%d of %d writes lost, %d bytes, %d syncs", missing, w.acked.Load(), lost, disk.Syncs())
		})
	}
}

// A cut during a rewrite of the append-only file meets new files and renames.
func TestAPowerCutDuringARewriteKeepsWhatWasSynced(t *testing.T) {
	t.Parallel()
	disk := inject.NewDisk(t, append(always(), "aof-rewrite-incremental-fsync no")...)
	w := startWriter(t, disk.Server)
	r := chance()
	for range 6 {
		w.more(t, 200)
		client := disk.Client(t)
		must(t, client.BgRewriteAOF(t.Context()).Err())
		must(t, inject.Freeze(disk.Instance, inject.Span{Max: 5 * time.Millisecond}).Do(t.Context(), r))
		must(t, disk.PowerCut(true).Do(t.Context(), r))
	}
	w.more(t, 100)
	w.end()
	if missing := w.missing(t, disk.Server); missing != 0 {
		t.Errorf("%d acknowledged writes are gone", missing)
	}
}

func TestAFailingDiskStopsTheServerAndLosesNothing(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*inject.Disk) inject.Fault{
		"fsync":  func(d *inject.Disk) inject.Fault { return d.FailedSync(exactly(5 * time.Second)) },
		"writes": func(d *inject.Disk) inject.Fault { return d.FailedWrite(exactly(5 * time.Second)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := inject.NewDisk(t, always()...)
			w := startWriter(t, disk.Server)
			w.more(t, 200)
			first := disk.Exited()
			must(t, fault(disk).Do(t.Context(), chance()))
			select {
			case <-first:
			default:
				t.Error("the server went on with a disk that fails")
			}
			w.more(t, 100)
			w.end()
			if missing := w.missing(t, disk.Server); missing != 0 {
				t.Errorf("%d acknowledged writes are gone", missing)
			}
		})
	}
}

func TestAServerThatSyncsNowAndThenRefusesWritesToAFailingDisk(t *testing.T) {
	t.Parallel()
	disk := inject.NewDisk(t, "appendonly yes", "appendfsync everysec")
	w := startWriter(t, disk.Server)
	w.more(t, 200)
	must(t, disk.FailedWrite(exactly(1500*time.Millisecond)).Do(t.Context(), chance()))
	w.more(t, 100)
	if w.saw("MISCONF") == 0 {
		t.Error("no write was refused")
	}
}

func TestASlowDiskMakesAnswersLate(t *testing.T) {
	t.Parallel()
	disk := inject.NewDisk(t, always()...)
	client := disk.Client(t)
	must(t, client.Set(t.Context(), "k", 0, 0).Err())
	ended := make(chan error, 1)
	const each = 100 * time.Millisecond
	go func() { ended <- disk.SlowSync(exactly(each), exactly(time.Second)).Do(t.Context(), chance()) }()
	eventually(t, "a late answer", func() bool {
		began := time.Now()
		must(t, client.Set(t.Context(), "k", 1, 0).Err())
		return time.Since(began) >= each
	})
	must(t, <-ended)
}
