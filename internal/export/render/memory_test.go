package render_test

import (
	"encoding/hex"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/tandemq/tandem/internal/dataset"
	"github.com/tandemq/tandem/internal/export"
	"github.com/tandemq/tandem/internal/export/render"
)

// A sheet keeps at most a buffer of 16 MiB, which may have grown to twice that.
// Here it is given 40 MB of rows, which make an archive of 20 MB, and what is
// alive is measured after the rows and while the archive is written.
func TestAnXLSXFileDoesNotGrowInMemory(t *testing.T) {
	if raceDetector {
		t.Skip("memory is measured by the run without the race detector")
	}
	const rows, sheetLimit, archiveLimit = 40_000, 36 << 20, 8 << 20
	text := []dataset.Column{{Name: "a", Label: "A", Type: dataset.Text}}
	archive := &gauge{}
	encoder, err := render.Encoders(render.Options{TempDir: t.TempDir()})(export.XLSX, archive, export.Sheet{Title: "Long", Columns: text, Made: made})
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()
	before := liveHeap()
	random, noise := rand.NewChaCha8([32]byte{}), make([]byte, 500)
	for range rows {
		_, _ = random.Read(noise) // never fails
		if err := encoder.Write([]any{hex.EncodeToString(noise)}); err != nil {
			t.Fatal(err)
		}
	}
	alive := liveHeap()
	if alive > before+sheetLimit {
		t.Errorf("%d MiB are alive after %d rows", (alive-before)>>20, rows)
	}
	if err := encoder.Finish(); err != nil {
		t.Fatal(err)
	}
	if archive.written < 2*archiveLimit {
		t.Fatalf("the archive has only %d MiB", archive.written>>20)
	}
	if archive.most > alive+archiveLimit {
		t.Errorf("%d MiB more are alive while the archive is written", (archive.most-alive)>>20)
	}
}

// gauge measures what is alive at every 4 MiB that are written to it.
type gauge struct {
	written int
	most    uint64
}

func (g *gauge) Write(p []byte) (int, error) {
	if (g.written+len(p))>>22 > g.written>>22 {
		g.most = max(g.most, liveHeap())
	}
	g.written += len(p)
	return len(p), nil
}

func liveHeap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
