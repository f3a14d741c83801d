package export_test

import (
	"context"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/tandemq/tandem/internal/export"
)

// What is alive is measured at a few places of a run. If any part kept rows,
// the last place would have several times what the first one has.
func TestMemoryDoesNotGrowWithTheRows(t *testing.T) {
	const rows, step = 60_000, 10_000
	for format, limit := range map[export.Format]uint64{
		export.CSV: 2 << 20, export.JSON: 2 << 20, export.NDJSON: 2 << 20,
		export.XLSX: 24 << 20, // a sheet has a buffer of 16 MiB
	} {
		t.Run(string(format), func(t *testing.T) {
			w := newWorld(t, export.Options{ProgressEvery: step})
			w.fill(t, rows)
			req := request(format, ``)
			var alive []uint64
			req.Progress = func(context.Context, export.Progress) error {
				alive = append(alive, liveHeap())
				return nil
			}
			if _, err := w.Run(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			if len(alive) != rows/step+3 {
				t.Fatalf("measured %d times", len(alive))
			}
			for i, bytes := range alive {
				if bytes > alive[0]+limit {
					t.Errorf("at report %d %d KiB are alive, at the first one %d KiB", i, bytes>>10, alive[0]>>10)
				}
			}
		})
	}
}

func liveHeap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// The API imports this package, and stays small.
func TestThePackageLinksNoEncoderAndNoDriver(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	for _, heavy := range []string{"excelize", "fpdf", "minio", "modernc.org", "jackc", "internal/storage", "internal/store", "export/render"} {
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, heavy) {
				t.Errorf("links %s", strings.TrimSpace(line))
			}
		}
	}
}
