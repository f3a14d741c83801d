package storm_test

import (
	"fmt"
	"testing"

	"github.com/tandemq/tandem/proof/promises"
	"github.com/tandemq/tandem/proof/storm"
)

// Where nothing is broken, nothing may be found: a checker that cries at times
// would not be believed when it matters.
func TestNoAlarmWhereNothingIsWrong(t *testing.T) {
	if !*campaign {
		t.Skip("takes two minutes: make campaign; TestScenariosAreClean runs each of these once")
	}
	const runs = 20
	faultless := []string{"calm", "lone", "burst"}
	scenarios := storm.Scenarios()
	jobs, alarms := make(chan int, runs), make(chan string, runs)
	t.Run("run", func(t *testing.T) {
		for i := range runs {
			name := faultless[i%len(faultless)]
			t.Run(fmt.Sprint(i, " ", name), func(t *testing.T) {
				t.Parallel()
				outcome := scenarios[name].Run(t, subject, nil, *seed+uint64(i))
				jobs <- outcome.Jobs
				if !outcome.Clean() {
					t.Errorf("%s; problems: %v", outcome.Report, outcome.Problems)
					alarms <- name
				}
			})
		}
	})
	close(jobs)
	all, judged := 0, 0
	for n := range jobs {
		all, judged = all+n, judged+1
	}
	publish(t, []promises.Row{{
		Name: "false alarms of the checker", Goal: "0 in 20 runs without a fault", Measured: fmt.Sprint(len(alarms)), N: judged,
		Of: fmt.Sprintf("runs without a fault, %d jobs", all), Holds: len(alarms) == 0 && judged == runs,
	}})
}
