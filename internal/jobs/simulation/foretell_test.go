package simulation

import "github.com/tandemq/tandem/internal/jobs"

// fate is how a job ends, whatever happens on its way.
type fate struct {
	state    jobs.State
	attempts int
}

// fate foretells the end of a job that no operator touches: crashes, shutdowns
// and snoozes do not count, so its attempts alone decide.
func (j *jobPlan) fate() fate {
	for n := 1; ; n++ {
		a := j.attempt(n)
		switch {
		case a.overruns(j) || a.how == fails || a.how == panics || a.how == asks:
			if n >= max(1, j.options.Attempts) {
				return fate{jobs.Failed, n}
			}
		case a.how == givesUp:
			return fate{jobs.Failed, n}
		default:
			return fate{jobs.Completed, n}
		}
	}
}

func (j *jobPlan) attempt(n int) attempt { return j.attempts[min(n, len(j.attempts))-1] }

// overruns reports whether the timeout ends the attempt: its handler then
// returns the context's error.
func (a attempt) overruns(j *jobPlan) bool {
	return j.options.Timeout > 0 && !a.deaf && a.busy > j.options.Timeout
}

// vanishes reports whether nothing is kept of a job that ends so.
func (j *jobPlan) vanishes(s jobs.State) bool {
	kept := j.options.KeepCompleted
	if s == jobs.Failed {
		kept = j.options.KeepFailed
	}
	return kept != nil && kept.None
}

// keepsNothing reports whether an end of this job leaves no trace. Of such a job
// a pool can be told, when its reply was lost, that its outcome is stored
// although another one was: there is nothing left that would tell.
func (j *jobPlan) keepsNothing() bool { return j.vanishes(jobs.Completed) || j.vanishes(jobs.Failed) }
