package build

import (
	"fmt"

	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/report/document"
)

// The formats that the reports use.
var (
	asText     = document.Format{Kind: document.Plain}
	asCount    = document.Format{Kind: document.Count}
	asPercent  = document.Format{Kind: document.Percent}
	asDuration = document.Format{Kind: document.Duration}
	asTarget   = document.Format{Kind: document.RoundDuration}
)

// nothing is the message of a section that has no rows to show.
const nothing = "Nothing to show for this range."

func count(n int64) document.Value { return document.Number(n) }

// perDay is the period of a report over the service's own tables.
func perDay(r report.Range) []report.Bucket { return r.Buckets(report.Day) }

// dayHeading titles the table that spans made.
func dayHeading(format document.Format) string {
	if format.Kind == document.MonthOf {
		return "Month"
	}
	return "Day"
}

func col(title string, format document.Format) document.Column {
	return document.Column{Title: title, Format: format}
}

// sumOver adds up what of says of the buckets of a span.
func sumOver(s span, of func(bucket int) int64) int64 {
	var sum int64
	for i := s.from; i < s.to; i++ {
		sum += of(i)
	}
	return sum
}

// series is one line or colour of a chart over buckets.
func series(name string, buckets int, of func(bucket int) document.Value) document.Series {
	s := document.Series{Name: name, Values: make([]document.Value, buckets)}
	if name == rest {
		s.Tone = document.Rest
	}
	for i := range s.Values {
		s.Values[i] = of(i)
	}
	return s
}

func toned(tone document.Tone, s document.Series) document.Series {
	s.Tone = tone
	return s
}

// overTime is a chart of series over buckets.
func overTime(kind document.ChartKind, format document.Format, buckets []report.Bucket, summary string, list ...document.Series) *document.Chart {
	return &document.Chart{Kind: kind, Summary: summary, Format: format, Categories: labels(buckets), Dates: true, Series: list}
}

// ranking is a chart of one bar for each name, the longest first.
func ranking(format document.Format, name, summary string, names []string, values []document.Value) *document.Chart {
	return &document.Chart{
		Kind: document.Ranking, Summary: summary, Format: format,
		Categories: names, Series: []document.Series{{Name: name, Values: values}},
	}
}

// busiest says when the most happened, for a chart's summary.
func busiest(buckets []report.Bucket, what string, of func(bucket int) int64) string {
	best, total := 0, int64(0)
	for i := range buckets {
		total += of(i)
		if of(i) > of(best) {
			best = i
		}
	}
	if total == 0 {
		return fmt.Sprintf("No %s in this range.", what)
	}
	return fmt.Sprintf("%s %s in all; the most, %s, on %s.",
		asCount.Show(count(total)), what, asCount.Show(count(of(best))), buckets[best].Label.Format("2 January 2006"))
}
