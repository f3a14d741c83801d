package check_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/proof/census"
	"github.com/tandemq/tandem/proof/check"
	"github.com/tandemq/tandem/proof/ledger"
)

// good is a job added and run once, as four processes tell it: producer 1, worker
// 2, and 9, which drives them and follows the event stream.
const good = `
1 P 1 produce start
10 I k completed 100 0
20 A k id 0
1 P 2 work start
30 L id t:1 1 5000030
31 S k id t:1 1
40 X k id
41 R id t:1
50 E id 1 completed ""
1 P 9 storm start
49 V id completed ""
`

// again is a second attempt after the lease of the first, with its effect.
const again = "5000031 L id u:1 2 9000045\n5000032 S k id u:1 2\n5000033 X k id\n5000034 R id u:1\n"

func TestEachKindOfFinding(t *testing.T) {
	tests := map[string]struct {
		lines   string // the whole ledger; good when empty
		more    string // lines of worker 3
		without string
		census  func(*census.Census)
		rules   check.Rules
		want    map[check.Kind]int
	}{
		"nothing":                             {},
		"an acknowledged job that is nowhere": {lines: "1 P 1 produce start\n10 I k completed 100 0\n20 A k id 0\n", want: one(check.Lost)},
		"a job whose add nobody heard of may be nowhere": {lines: "1 P 1 produce start\n10 I k completed 100 0\n20 U k id \"gone\"\n"},
		"a job that waits for ever": {
			lines:  "1 P 1 produce start\n10 I k completed 100 0\n20 A k id 0\n",
			census: stored("id", "wait"), want: one(check.Stuck),
		},
		"a job that waits without a marker": {
			lines:  "1 P 1 produce start\n10 I k completed 100 0\n20 A k id 0\n",
			census: func(c *census.Census) { stored("id", "wait")(c); c.Marker = false },
			want:   map[check.Kind]int{check.Stuck: 1, check.Leftover: 1},
		},
		"a finished job that waits again":    {census: stored("id", "delayed"), want: one(check.Stuck)},
		"a job that nobody asked for":        {without: "I k", want: one(check.Unexpected)},
		"a stored job that nobody asked for": {census: stored("other", "completed"), want: one(check.Unexpected)},
		"one job under two ids":              {more: "60 L id2 u:1 1 5000060\n61 S k id2 u:1 1\n62 X k id2\n63 R id2 u:1\n64 E id2 1 completed \"\"\n", want: one(check.Duplicate)},
		"two jobs under one id":              {more: "22 I l completed 100 0\n23 A l id 0\n", want: one(check.Lost)},
		"a denied add":                       {lines: "1 P 1 produce start\n10 I k completed 100 0\n20 D k - \"no\"\n", want: one(check.FalseError)},
		"a first add called a repetition":    {without: "A k id 0", more: "20 A k id 1\n", want: one(check.FalseError)},
		"an attempt under another's lease": {
			without: "R id", more: "45 L id u:1 2 5000045\n46 S k id u:1 2\n", want: one(check.SecondStart),
		},
		"an attempt after the one before has returned": {more: "45 L id u:1 2 5000045\n46 S k id u:1 2\n"},
		"an attempt after the lease of the one before": {
			lines: without(good, "E id"), without: "R id", more: "5000031 L id u:1 2 9000045\n5000032 S k id u:1 2\n",
		},
		"an attempt under a lease that was renewed": {
			lines: without(good, "E id"), without: "R id", more: "33 L id t:1 1 6000000\n5000031 L id u:1 2 9000045\n5000032 S k id u:1 2\n", want: one(check.SecondStart),
		},
		"an attempt after a process that had to stop": {
			without: "R id", more: "35 P 2 work stop\n45 L id u:1 2 5000045\n46 S k id u:1 2\n", rules: check.Rules{Shutdown: time.Microsecond},
		},
		"a frozen worker that starts late what it took early": {
			without: "R id", more: "6000000 L id v:1 2 9000000\n6000001 S k id v:1 2\n6000002 R id v:1\n",
			lines: strings.Replace(good, "31 S", "7000000 S", 1),
		},
		"two finishes in the stream":                    {more: "60 V id completed \"\"\n", want: one(check.Finishes)},
		"two finishes where the first may be forgotten": {more: "60 V id completed \"\"\n", rules: check.Rules{Forgets: true}},
		"a second start where a renewal may be forgotten": {
			without: "R id", more: "45 L id u:1 2 5000045\n46 S k id u:1 2\n", rules: check.Rules{Forgets: true},
		},
		"a lost job where outcomes may be forgotten": {
			lines: "1 P 1 produce start\n10 I k completed 100 0\n20 A k id 0\n", rules: check.Rules{Forgets: true}, want: one(check.Lost),
		},
		"two finishes told to workers":                 {more: "60 E id 2 completed \"\"\n", want: one(check.Finishes)},
		"a worker and the queue tell different things": {more: "60 V id failed \"\"\n", without: "V id completed", want: map[check.Kind]int{check.Finishes: 1, check.Innocent: 1}},
		"a failure of a job that does not fail": {
			lines: strings.ReplaceAll(strings.ReplaceAll(good, "V id completed", "V id failed"), "1 completed \"", "1 failed \""), want: one(check.Innocent),
		},
		"a success of a job that cannot":                        {lines: strings.Replace(good, "I k completed", "I k failed", 1), want: one(check.Spared)},
		"a success without its effect":                          {without: "X k", want: one(check.NoEffect)},
		"an effect done again":                                  {more: again, rules: check.Rules{Quiet: true}, want: one(check.Repeated)},
		"an effect done again where workers die":                {more: again},
		"one effect of a hundred done again, on a busy machine": {more: again + waiting(99, 5), rules: check.Rules{Quiet: true}},
		"a lock that is left":                                   {census: func(c *census.Census) { c.Locks["id"] = true }, want: one(check.Leftover)},
		"a hash that is left":                                   {census: func(c *census.Census) { c.Hashes["id"] = true }, want: one(check.Leftover)},
		"a key that is left":                                    {census: func(c *census.Census) { c.Strange = []string{"id:odd"} }, want: one(check.Leftover)},
		"a place without a hash":                                {census: func(c *census.Census) { c.Places["id"] = []string{"completed"} }, want: one(check.Leftover)},
		"a job that begins before it is due":                    {lines: strings.Replace(good, "completed 100 0", "completed 100 32", 1), want: one(check.Early)},
		"a job that begins late":                                {rules: check.Rules{Wake: 10 * time.Microsecond}, want: one(check.Late)},
		"one late job of eleven, on a busy machine":             {more: waiting(10, 5), rules: check.Rules{Wake: 10 * time.Microsecond}},
		"two late jobs of eleven":                               {more: waiting(9, 5) + waiting(1, 11), rules: check.Rules{Wake: 10 * time.Microsecond}, want: map[check.Kind]int{check.Late: 2}},
		"a job that is recovered late": {
			lines: without(without(good, "R id"), "E id"), more: "45 P 2 work gone\n5000100 L id u:1 2 9000000\n5000101 S k id u:1 2\n",
			rules: check.Rules{Recovery: 5 * time.Second}, want: one(check.Late),
		},
		"an outcome that was accepted and called lost": {lines: strings.Replace(good, "50 E id 1 completed \"\"", "50 E id 1 lost \"\"", 1), want: one(check.Finishes)},
		"an attempt that was lost before it started, and another one": {
			lines: strings.NewReplacer("31 S k id t:1 1\n", "", "40 X k id\n", "", "41 R id t:1\n", "", "50 E id 1 completed", "5000040 E id 1 lost").Replace(good),
			more:  "5000050 L id u:1 2 9000000\n5000051 S k id u:1 2\n5000052 X k id\n5000053 R id u:1\n5000054 E id 2 completed \"\"\n",
		},
		"an outcome of which nobody knows": {lines: strings.Replace(good, "50 E id 1 completed", "50 E id 1 unsure", 1)},
		"a zombie's outcome that was accepted": {
			lines: strings.Replace(good, "50 E id 1", "5000050 E id 1", 1), without: "R id",
			more: "5000031 L id u:1 2 9000045\n5000032 S k id u:1 2\n5000040 R id t:1\n", want: one(check.Finishes),
		},
		"two places": {census: func(c *census.Census) {
			stored("id", "completed")(c)
			c.Places["id"] = []string{"completed", "failed"}
		}, want: one(check.Leftover)},
		"a process that grows":            {more: vitals(func(i int) (int, int, int) { return 10 * i, 10, 1000 }), want: one(check.Leak)},
		"a process that keeps files open": {more: vitals(func(i int) (int, int, int) { return 10, 10 * i, 1000 }), want: one(check.Leak)},
		"a process that eats":             {more: vitals(func(i int) (int, int, int) { return 10, 10, i << 26 }), want: one(check.Leak)},
		"a process that is as it was":     {more: vitals(func(i int) (int, int, int) { return 10 + i%2, 10, min(i, 4) << 26 })},
		"a job that a fault broke": {
			lines: "1 P 1 produce start\n10 I k completed 100 0\n20 A k id 0\n", rules: check.Rules{Ignore: map[string]bool{"id": true}},
		},
		"a job that a fault broke so that it does not tell whose it is": {
			lines: strings.NewReplacer("S k id", "S - id", "X k id", "X - id").Replace(good),
			rules: check.Rules{Ignore: map[string]bool{"id": true}},
		},
		"one that overtook another":                   {more: overtaking, rules: check.Rules{FIFO: true}, want: one(check.Inversion)},
		"one that overtook, where that is no promise": {more: overtaking},
		"one that overtook what was given back":       {more: overtaking + "27 V id stalled \"\"\n", rules: check.Rules{FIFO: true}},
		"one of another priority":                     {more: strings.Replace(overtaking, "completed 100 0", "completed 10 0", 1), rules: check.Rules{FIFO: true}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := &census.Census{Places: map[string][]string{}, Hashes: map[string]bool{}, Locks: map[string]bool{}, Marker: true}
			if test.census != nil {
				test.census(c)
			}
			lines := test.lines
			if lines == "" {
				lines = good
			}
			report := judge(t, without(lines, test.without)+"1 P 3 work start\n"+test.more, c, test.rules)
			if diff := cmp.Diff(test.want, report.Counts); diff != "" {
				t.Errorf("findings (-want +got):\n%s\n%s", diff, report)
			}
		})
	}
}

// overtaking is a job that came after the good one and began before it.
const overtaking = `21 I l completed 100 0
22 A l jd 0
25 L jd t:0 1 5000000
26 S l jd t:0 1
27 X l jd
28 R jd t:0
29 E jd 1 completed ""
`

// waiting are n jobs that began so many microseconds after they were acknowledged.
func waiting(n, micros int) string {
	var b strings.Builder
	for i := range n {
		id := fmt.Sprintf("w%d-%d", micros, i)
		fmt.Fprintf(&b, "60 I %[1]s completed 100 0\n61 A %[1]s %[1]s 0\n%[2]d L %[1]s w:1 1 5000000\n%[2]d S %[1]s %[1]s w:1 1\n"+
			"90 X %[1]s %[1]s\n91 R %[1]s w:1\n92 E %[1]s 1 completed \"\"\n", id, 61+micros)
	}
	return b.String()
}

// vitals are those of a process that lives for a while.
func vitals(of func(i int) (goroutines, descriptors, bytes int)) string {
	var b strings.Builder
	for i := range 30 {
		g, d, m := of(i)
		fmt.Fprintf(&b, "%d M %d %d %d\n", 100+i, g, d, m)
	}
	return b.String()
}

func one(k check.Kind) map[check.Kind]int { return map[check.Kind]int{k: 1} }

func stored(id, place string) func(*census.Census) {
	return func(c *census.Census) {
		c.Places[id] = []string{place}
		c.Hashes[id] = true
	}
}

// without leaves out the lines that have these words in them.
func without(lines, words string) string {
	var b strings.Builder
	for line := range strings.Lines(lines) {
		if words == "" || !strings.Contains(line, words) {
			b.WriteString(line)
		}
	}
	return b.String()
}

func judge(t *testing.T, lines string, c *census.Census, rules check.Rules) *check.Report {
	t.Helper()
	report, err := check.Check(entries(t, lines), c, rules)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// entries reads lines in which a start of a process begins a ledger.
func entries(t *testing.T, lines string) func(func(ledger.Entry, error) bool) {
	t.Helper()
	pid := 0
	return func(yield func(ledger.Entry, error) bool) {
		for line := range strings.Lines(lines) {
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			e, err := ledger.Parse(line)
			if e.Kind == ledger.Process && e.Word == "start" {
				pid = e.Pid
			}
			if e.Kind != ledger.Process {
				e.Pid = pid
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func TestLatenciesAreMeasuredFromWhatCausedThem(t *testing.T) {
	lines := without(without(good, "R id"), "E id") + `100 P 2 work gone
150 F redis.kill begin
200 F redis.kill up
1 P 3 work start
5000100 L id u:1 2 9000000
5000100 S k id u:1 2
5000101 X k id
5000102 R id u:1
5000103 E id 2 completed ""
`
	report := judge(t, lines, &census.Census{}, check.Rules{})
	got := []time.Duration{report.Recovery.Max, report.Resume.Max, report.Wait.Max}
	want := []time.Duration{5 * time.Second, 5*time.Second - 100*time.Microsecond, 11 * time.Microsecond}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("recovery, resume, wait (-want +got):\n%s", diff)
	}
	if report.Recovered != 1 || report.Deaths != 1 || report.Faults != 1 {
		t.Errorf("%+v", report)
	}
}

// One lost job among ten thousand is found, whichever it is.
func TestOneInTenThousandIsFound(t *testing.T) {
	lost := rand.IntN(10_000)
	var b strings.Builder
	b.WriteString("1 P 1 produce start\n")
	for i := range 10_000 {
		fmt.Fprintf(&b, "%d I k%d completed 1 0\n%d A k%d id%d 0\n", i+2, i, i+3, i, i)
		if i != lost {
			fmt.Fprintf(&b, "%d S k%d id%d t:%d 1\n%d X k%d id%d\n%d R id%d t:%d\n%d E id%d 1 completed \"\"\n", i+4, i, i, i, i+5, i, i, i+6, i, i, i+7, i)
		}
	}
	report := judge(t, b.String(), &census.Census{}, check.Rules{})
	if diff := cmp.Diff(one(check.Lost), report.Counts); diff != "" || report.Findings[0].Job != fmt.Sprint("k", lost) {
		t.Errorf("lost k%d, report %s", lost, report)
	}
}
