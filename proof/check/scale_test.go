package check_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/tandemq/tandem/proof/census"
	"github.com/tandemq/tandem/proof/check"
	"github.com/tandemq/tandem/proof/ledger"
)

// A campaign's ledgers: a million jobs, each with all that its processes tell of
// it. Run it with -benchtime=1x; the memory is what /usr/bin/time says.
func BenchmarkAMillionJobs(b *testing.B) {
	const jobs = 1_000_000
	dir := b.TempDir()
	writeLedger(b, dir, "produce", func(w *bufio.Writer, i int) {
		fmt.Fprintf(w, "%d I p1-%d completed 100 0\n%d A p1-%d p1-%d 0\n", i+2, i, i+3, i, i)
	}, jobs)
	writeLedger(b, dir, "work", func(w *bufio.Writer, i int) {
		token := fmt.Sprintf("0123456789abcdef:%d", i)
		fmt.Fprintf(w, "%d L p1-%d %s 1 %d\n%d S p1-%d p1-%d %s 1\n", i+4, i, token, i+5_000_000, i+5, i, i, token)
		fmt.Fprintf(w, "%d X p1-%d p1-%d\n%d R p1-%d %s\n%d E p1-%d 1 completed \"\"\n", i+6, i, i, i+7, i, token, i+8, i)
	}, jobs)
	writeLedger(b, dir, "storm", func(w *bufio.Writer, i int) {
		fmt.Fprintf(w, "%d V p1-%d completed \"\"\n", i+9, i)
	}, jobs)
	for b.Loop() {
		report, err := check.Check(ledger.ReadDir(dir), &census.Census{}, check.Rules{})
		if err != nil || !report.Clean() || report.Jobs != jobs || report.Completed != jobs {
			b.Fatalf("error %v, report %v", err, report)
		}
	}
}

func writeLedger(b *testing.B, dir, role string, line func(*bufio.Writer, int), n int) {
	b.Helper()
	file, err := os.Create(filepath.Join(dir, role+".ledger"))
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(file)
	fmt.Fprintf(w, "1 P 1 %s start\n", role)
	for i := range n {
		line(w, i)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := file.Close(); err != nil {
		b.Fatal(err)
	}
}
