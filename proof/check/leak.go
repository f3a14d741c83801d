package check

import (
	"maps"
	"slices"
)

// vital is what a process looked like at one moment: goroutines, descriptors and
// resident bytes.
type vital [3]int64

var (
	vitalNames = [3]string{"goroutines", "descriptors", "bytes"}
	// vitalNoise is how much each may grow by chance.
	vitalNoise = vital{20, 20, 48 << 20}
)

// leastVitals is how many samples make a life that can be judged.
const leastVitals = 12

// leaks compares the middle of each long life with its end: what a process needs
// it has by then, and what still grows does not stop.
func (j *judge) leaks() {
	for _, pid := range slices.Sorted(maps.Keys(j.vitals)) {
		all := j.vitals[pid]
		if len(all) < leastVitals {
			continue
		}
		third := len(all) / 3
		middle, last := median(all[third:2*third]), median(all[2*third:])
		for i, name := range vitalNames {
			if last[i] > middle[i]+middle[i]/2+vitalNoise[i] {
				j.report.find(Leak, name, "process %d had %d in the middle of its life and %d at its end", pid, middle[i], last[i])
			}
		}
	}
}

// median is that of each vital by itself.
func median(all []vital) (m vital) {
	for i := range m {
		values := make([]int64, len(all))
		for k, v := range all {
			values[k] = v[i]
		}
		slices.Sort(values)
		m[i] = values[len(values)/2]
	}
	return m
}
