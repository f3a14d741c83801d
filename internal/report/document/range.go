package document

import "time"

// Range is the half-open span that the report covers.
type Range struct {
	Start     time.Time `json:"start"`
	End       time.Time `json:"end"`
	TimeZone  string    `json:"timeZone"`
	Days      int       `json:"days"`
	WholeDays bool      `json:"wholeDays"` // it begins and ends at the beginning of a day
}

// String names the range by its first and last day, as people do, or by its
// moments when it does not consist of whole days.
func (r Range) String() string {
	const day = "2 January 2006"
	if !r.WholeDays {
		const layout = day + ", 15:04"
		return r.Start.Format(layout) + " – " + r.End.Format(layout)
	}
	last := r.End.Add(-1)
	switch {
	case r.Start.Format(time.DateOnly) == last.Format(time.DateOnly):
		return r.Start.Format(day)
	case r.Start.Year() != last.Year():
		return r.Start.Format(day) + " – " + last.Format(day)
	case r.Start.Month() != last.Month():
		return r.Start.Format("2 January") + " – " + last.Format(day)
	default:
		return r.Start.Format("2") + " – " + last.Format(day)
	}
}
