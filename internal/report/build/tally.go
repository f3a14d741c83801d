package build

import (
	"cmp"
	"slices"
	"time"

	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/report/document"
)

// Limits that keep a report readable, and its making bounded, whatever names
// the rows hold.
const (
	maxNames  = 1_000 // distinct names that are told apart while reading
	maxSeries = 5     // series in a chart beside the rest
	maxRanked = 20    // rows of a table by name beside the rest
	maxRows   = 62    // rows of a table by day; a longer range is shown by month
)

// rest is the name under which everything is counted that has no row of its own.
const rest = "All others"

// tally counts by name. It tells at most maxNames names apart and counts
// further ones under rest, so hostile names cannot fill the memory.
type tally[N any] struct{ byName map[string]*N }

func newTally[N any]() tally[N] { return tally[N]{byName: make(map[string]*N)} }

// at is the counter of name, to be changed in place.
func (t tally[N]) at(name string) *N {
	if n, ok := t.byName[name]; ok {
		return n
	}
	if len(t.byName) >= maxNames {
		name = rest
	}
	n, ok := t.byName[name]
	if !ok {
		n = new(N)
		t.byName[name] = n
	}
	return n
}

// named is one name with what was counted under it.
type named[N any] struct {
	name  string
	count *N
}

// ranked lists the names by size, the largest first and equal ones by name.
// Rest comes last, whatever its size.
func (t tally[N]) ranked(size func(*N) int64) []named[N] {
	list := make([]named[N], 0, len(t.byName))
	for name, count := range t.byName {
		list = append(list, named[N]{name, count})
	}
	slices.SortFunc(list, func(a, b named[N]) int {
		if (a.name == rest) != (b.name == rest) {
			return cmp.Compare(asInt(a.name == rest), asInt(b.name == rest))
		}
		return cmp.Or(cmp.Compare(size(b.count), size(a.count)), cmp.Compare(a.name, b.name))
	})
	return list
}

func asInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// top keeps the first limit names and adds the others up under rest.
func top[N any](list []named[N], limit int, add func(sum, n *N)) []named[N] {
	if len(list) <= limit+1 {
		return list // one more row takes no more room than a row for the rest
	}
	sum := new(N)
	for _, n := range list[limit:] {
		add(sum, n.count)
	}
	return append(slices.Clone(list[:limit]), named[N]{rest, sum})
}

// span is a run of buckets that makes one row of a table.
type span struct {
	label    document.Value
	from, to int // buckets[from:to]
}

// spans makes a row of each bucket, or of each month when those were too many.
func spans(buckets []report.Bucket) (list []span, format document.Format) {
	if len(buckets) <= maxRows {
		for i, b := range buckets {
			list = append(list, span{document.Text(b.Label.Format(time.DateOnly)), i, i + 1})
		}
		return list, document.Format{Kind: document.Date}
	}
	for i, b := range buckets {
		month := document.Text(b.Label.Format("2006-01") + "-01")
		if len(list) == 0 || list[len(list)-1].label != month {
			list = append(list, span{month, i, i})
		}
		list[len(list)-1].to = i + 1
	}
	return list, document.Format{Kind: document.MonthOf}
}

func labels(buckets []report.Bucket) []string {
	list := make([]string, len(buckets))
	for i, b := range buckets {
		list[i] = b.Label.Format(time.DateOnly)
	}
	return list
}
