package export_test

import (
	"context"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/tandemq/tandem/internal/export"
)

// What is alive is measured at a few places of a run over 20 MB of rows. If any
// part kept rows, it would show.
func TestMemoryDoesNotGrowWithTheRows(t *testing.T) {
	if raceDetector {
		t.Skip("memory is measured by the run without the race detector")
	}
	const rows, step, limit = 20_000, 5_000, 2 << 20
	for _, format := range []export.Format{export.CSV, export.JSON, export.NDJSON} {
		t.Run(string(format), func(t *testing.T) {
			w := newWorld(t, export.Options{ProgressEvery: step})
			w.fill(t, rows)
			execute(t, w.db.Write, `UPDATE orders SET note = $1`, strings.Repeat("x", 1000))
			req := request(format, ``)
			var alive []uint64
			req.Progress = func(context.Context, export.Progress) error {
				alive = append(alive, liveHeap())
				return nil
			}
			if result, err := w.Run(t.Context(), req); err != nil || result.Bytes < rows*1000 {
				t.Fatalf("%+v, %v", result, err)
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
