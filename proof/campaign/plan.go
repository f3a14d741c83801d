package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// experiment is what one "go test" runs.
type experiment struct {
	name  string
	pkg   string
	tests string        // what -run matches
	args  []string      // behind -args, beside the seed and the size
	flags []string      // of go test
	takes time.Duration // about so long on two quiet cores
	limit time.Duration // after which it is ended
	rows  []string      // the names of those that it owes
}

// stage are experiments that run side by side, because they do not disturb what
// the others measure.
type stage []experiment

// size is how large the storm is. The other experiments know their size.
type size struct {
	jobs, faults int
	lasting      time.Duration
}

// plan is the whole campaign. The storm, and what measures a script, have the
// machine for themselves. Then comes what measures how long somebody waits, and
// mostly waits; then runs in which a job that waits is an alarm; and in the end
// what only counts.
func plan(s size) []stage {
	return []stage{
		{theStorm(s)},
		{{
			name: "longest script", pkg: "./promises", tests: "^TestNoScriptRunsLongHoweverMuchIsStored$",
			takes: 5 * time.Minute, limit: 10 * time.Minute, rows: []string{"longest script"},
		}},
		{{
			name: "waiting", pkg: "./promises", flags: []string{"-parallel=4"},
			tests: "^(TestTheFirstJobRunsAsSoonAsRedisIsBack|TestTheFirstJobRunsSoonAfterAFailover|TestTheJobsOfAKilledWorkerRunAgainSoon)$",
			takes: 4 * time.Minute, limit: 7 * time.Minute,
			rows: []string{"first job after Redis is back", "first job after a failover", "jobs of a killed worker run again"},
		}},
		{{
			name: "alarms", pkg: "./storm", flags: []string{"-parallel=2"}, tests: "^TestNoAlarmWhereNothingIsWrong$",
			takes: 2 * time.Minute, limit: 4 * time.Minute, rows: []string{"false alarms of the checker"},
		}},
		{losing(), surviving(), replacing(), growing()},
	}
}

func theStorm(s size) experiment {
	return experiment{
		name: "storm", pkg: "./storm", tests: "^TestNothingIsLostInAStorm$",
		args: []string{
			"-jobs=" + strconv.Itoa(s.jobs), "-faults=" + strconv.Itoa(s.faults), "-for=" + s.lasting.String(),
		},
		takes: s.lasting + 90*time.Second, limit: s.lasting + 6*time.Minute,
		rows: []string{"mixed storm: broken promises", "mixed storm: first job after the server is back"},
	}
}

// losing counts what is gone of a great many acknowledged jobs.
func losing() experiment {
	return experiment{
		name: "losing", pkg: "./promises", flags: []string{"-parallel=3"},
		tests: "^(TestNoAcknowledgedJobIsLostInPowerCuts|TestPowerCutsDoLoseJobsThatAreSyncedEverySecond|" +
			"TestNoAcknowledgedJobIsLostInFailoversWhenReplicasHaveIt|TestOneOfTwoReplicasIsNotEnough|TestPartitionsDoLoseJobsThatNoReplicaHas)$",
		takes: 8 * time.Minute, limit: 14 * time.Minute,
		rows: []string{
			"202s lost in power cuts", "202s lost in power cuts, everysec", "202s lost in failovers, both replicas wait",
			"202s lost in failovers, one replica of two waits", "202s lost in failovers, no replica waits",
		},
	}
}

// surviving strikes with each fault by itself, under a load that is small.
func surviving() experiment {
	return experiment{
		name: "surviving", pkg: "./promises", flags: []string{"-parallel=3"},
		tests: "^(TestEveryFaultIsSurvived|TestCorruptRecordsEndWithAReasonAndStopNobody|TestLostRepliesMakeNeitherDuplicatesNorErrors|" +
			"TestRepliesLostAtEveryByteMakeNoDifference)$",
		takes: 6 * time.Minute, limit: 12 * time.Minute,
		rows: []string{"faults of server, disk and network", "corrupt records", "adds with 1 % lost replies", "replies lost at every byte"},
	}
}

// replacing is a storm in which primaries are replaced.
func replacing() experiment {
	return experiment{
		name: "replacing", pkg: "./storm", flags: []string{"-parallel=2"}, tests: "^TestNothingIsLostWherePrimariesAreReplaced$",
		takes: 5 * time.Minute, limit: 12 * time.Minute,
		rows: []string{"storm of replaced primaries, under Sentinels", "storm of replaced primaries, in a Cluster"},
	}
}

// growing looks for what leaks in a long life.
func growing() experiment {
	return experiment{name: "growing", pkg: "./storm", tests: "^TestNothingGrows$", takes: 7 * time.Minute, limit: 12 * time.Minute}
}

// takes is how long a stage takes: as long as its longest experiment.
func (s stage) takes() (longest time.Duration) {
	for _, e := range s {
		longest = max(longest, e.takes)
	}
	return longest
}

// describe lists the plan with the time at which each stage begins.
func describe(stages []stage) string {
	var b strings.Builder
	at := time.Duration(0)
	for _, s := range stages {
		for _, e := range s {
			fmt.Fprintf(&b, "  %s to %s  %-14s %s %s\n", clock(at), clock(at+e.takes), e.name, e.pkg, e.tests)
		}
		at += s.takes()
	}
	return fmt.Sprintf("the plan, about %s in all:\n%s", at, &b)
}

// clock shows a time since the beginning as minutes and seconds.
func clock(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}
