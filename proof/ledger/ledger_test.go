package ledger_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/proof/ledger"
)

// asVictim, set in the environment, makes this test binary write until it dies.
const asVictim = "LEDGER_VICTIM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(asVictim); dir != "" {
		os.Exit(victim(dir))
	}
	os.Exit(m.Run())
}

func victim(dir string) int {
	w, err := ledger.Open(dir, "victim")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for i := 0; ; i++ {
		w.Add(ledger.Entry{Kind: ledger.Intent, Key: fmt.Sprint("k", i), Word: "completed"})
		if i == 1000 {
			fmt.Println("going")
		}
	}
}

func samples() []ledger.Entry {
	return []ledger.Entry{
		{At: 1, Kind: ledger.Intent, Key: "p-1", Word: "completed", N: 100, Until: 7},
		{At: 2, Kind: ledger.Acked, Key: "p-1", ID: "id-1", N: 1},
		{At: 3, Kind: ledger.Denied, Key: "p-2", Text: "two words\nand a line"},
		{At: 4, Kind: ledger.Unknown, Key: "p-3", ID: "id-3", Text: ""},
		{At: 5, Kind: ledger.Lease, ID: "id-1", Token: "a:1", N: 1, Until: 5_000_005},
		{At: 6, Kind: ledger.Start, Key: "p-1", ID: "id-1", Token: "a:1", N: 1},
		{At: 7, Kind: ledger.Effect, Key: "p-1", ID: "id-1"},
		{At: 8, Kind: ledger.Returned, ID: "id-1", Token: "a:1"},
		{At: 9, Kind: ledger.End, ID: "id-1", N: 1, Word: "lost", Text: "lock lost"},
		{At: 10, Kind: ledger.Event, ID: "id-1", Word: "failed", Text: `quarantined: "so"`},
		{At: 11, Kind: ledger.Fault, Text: "redis.kill", Word: "begin"},
		{At: 12, Kind: ledger.Vitals, N: 9, Until: 12, Bytes: 1 << 30},
		{At: 13, Kind: ledger.Process, Pid: 77, Text: "work", Word: "gone"},
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	dir := t.TempDir()
	w, err := ledger.Open(dir, "work")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range samples() {
		w.Add(e)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want := samples()
	for i := range want {
		if want[i].Kind != ledger.Process {
			want[i].Pid = os.Getpid()
		}
	}
	got := read(t, dir)
	if diff := cmp.Diff(want, got[1:]); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
	if got[0].Kind != ledger.Process || got[0].Pid != os.Getpid() || got[0].Word != "start" {
		t.Errorf("the first entry is %+v", got[0])
	}
}

func TestAKilledWritersLinesAreThere(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asVictim+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the victim ended by itself")
	}
	got := read(t, dir)
	for i, e := range got[1:] {
		if e.Key != fmt.Sprint("k", i) {
			t.Fatalf("entry %d is %+v", i, e)
		}
	}
	if len(got) < 1001 {
		t.Errorf("%d entries, want all that were written before the signal", len(got))
	}
}

func TestATornLastLineIsLeftOut(t *testing.T) {
	n := 0
	for _, err := range ledger.Read(strings.NewReader("1 P 7 work start\n2 X k i\n3 X torn")) {
		if err != nil {
			t.Error(err)
		}
		n++
	}
	if n != 2 {
		t.Errorf("%d entries, want 2", n)
	}
}

func TestADamagedLedgerIsAnError(t *testing.T) {
	for _, line := range []string{"", "x X k i", "1", "1 ? a", "1 X k", "1 X k i more", "1 L i t one 2", `1 D k i "open`} {
		if _, err := ledger.Parse(line); err == nil {
			t.Errorf("%q was read", line)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.ledger"), []byte("1 P 7 work start\nnonsense\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var failed error
	for _, err := range ledger.ReadDir(dir) {
		failed = err
	}
	if failed == nil {
		t.Error("a damaged file was read without an error")
	}
}

func FuzzParseSaysWhichLineItCannotRead(f *testing.F) {
	for _, line := range []string{"1 X k i", `3 D k - "a\nb"`, "5 L i t 1 7", "1 P 2 work gone"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if _, err := ledger.Parse(line); err != nil && !strings.Contains(err.Error(), "ledger line") {
			t.Errorf("%q: %v", line, err)
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	w, err := ledger.Open(b.TempDir(), "work")
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	for b.Loop() {
		w.Add(ledger.Entry{Kind: ledger.Start, Key: "p1-123456", ID: "p1-123456", Token: "0b0a9e5c:1234", N: 1})
	}
}

func read(t *testing.T, dir string) (all []ledger.Entry) {
	t.Helper()
	for e, err := range ledger.ReadDir(dir) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}
