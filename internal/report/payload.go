package report

import (
	"regexp"
	"time"

	"github.com/tandemq/tandem/internal/jobs"
)

// Queue is the queue that holds report jobs. A job's name is its report type.
const Queue = "report"

// Payload asks for one report about one tenant.
type Payload struct {
	ReportType string    `json:"reportType"`
	DateRange  DateRange `json:"dateRange"`
	TenantID   string    `json:"tenantId"`
}

// DateRange is half-open: Start belongs to it and End does not, so that
// 2026-01-01 to 2026-02-01 is January. Both are dates (2026-01-31), which are
// days of the tenant's time zone, or both are RFC 3339 times.
type DateRange struct {
	Start string `json:"start"`
	End   string `json:"end"`
}

// MaxDays is the longest range that one report covers.
const MaxDays = 400

var tenantPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Validate reports the first thing that is wrong with p as a
// jobs.ValidationError. It knows nothing of time zones: a payload that passes
// can still name a day that its tenant's zone skipped, which Resolve refuses.
func Validate(p Payload, catalogue Catalogue) error {
	if !catalogue.Has(p.ReportType) {
		return jobs.Invalid("reportType", "must be one of %s", catalogue.names())
	}
	if _, err := p.DateRange.Resolve(time.UTC); err != nil {
		return err
	}
	if !tenantPattern.MatchString(p.TenantID) {
		return jobs.Invalid("tenantId", "must be 1 to 64 letters, digits, dots, dashes or underscores, and begin with a letter or digit")
	}
	return nil
}

// Resolve is the range that d means in the zone loc.
func (d DateRange) Resolve(loc *time.Location) (Range, error) {
	start, err := parseMoment("dateRange.start", d.Start)
	if err != nil {
		return Range{}, err
	}
	end, err := parseMoment("dateRange.end", d.End)
	if err != nil {
		return Range{}, err
	}
	if start.isDate != end.isDate {
		return Range{}, jobs.Invalid("dateRange.end", "must be written like dateRange.start: both are dates, or both are times")
	}
	r := Range{Start: start.in(loc), End: end.in(loc)}
	return r, r.check()
}

func (r Range) check() error {
	if !r.End.After(r.Start) {
		return jobs.Invalid("dateRange.end", "must be after dateRange.start")
	}
	if daysBetween(dateOf(r.Start), dateOf(r.End)) > MaxDays {
		return jobs.Invalid("dateRange.end", "must be at most %d days after dateRange.start", MaxDays)
	}
	return nil
}

// moment is one end of a range as it was written: a day, or an instant.
type moment struct {
	at     time.Time
	isDate bool
}

func (m moment) in(loc *time.Location) time.Time {
	if m.isDate {
		return dateOf(m.at).start(loc)
	}
	return m.at.In(loc)
}

// Years outside these are typing mistakes, and would overflow milliseconds.
const firstYear, lastYear = 1970, 2199

func parseMoment(field, text string) (moment, error) {
	m, shaped, err := readMoment(text)
	switch {
	case !shaped:
		return moment{}, jobs.Invalid(field, "must be a date like 2026-01-31 or a time like 2026-01-31T09:30:00Z")
	case err != nil:
		return moment{}, jobs.Invalid(field, "is not a date that exists")
	case m.at.Year() < firstYear || m.at.Year() > lastYear:
		return moment{}, jobs.Invalid(field, "must be in the years %d to %d", firstYear, lastYear)
	}
	return m, nil
}

var (
	datePattern = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)
	timePattern = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$`)
)

// readMoment tells text of another shape (shaped is false) from text of the
// right shape that means nothing (err), as the 30th of February.
func readMoment(text string) (m moment, shaped bool, err error) {
	switch {
	case datePattern.MatchString(text):
		m.isDate = true
		m.at, err = time.Parse(time.DateOnly, text)
	case timePattern.MatchString(text):
		m.at, err = time.Parse(time.RFC3339, text)
	default:
		return moment{}, false, nil
	}
	return m, true, err
}
