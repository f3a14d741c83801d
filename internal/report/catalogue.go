package report

import (
	"fmt"
	"slices"
	"strings"
)

// Entry describes one report that can be asked for.
type Entry struct {
	Name        string `json:"name"`
	Title       string `json:"title"`
	Description string `json:"description"`
}

// The reports over the service's own tables.
const (
	Usage         = "usage"
	EmailDelivery = "email-delivery"
	Signups       = "signups"
	Errors        = "errors"
	SLA           = "sla"
)

func ownReports() []Entry {
	return []Entry{
		{Usage, "Usage", "Jobs by type and day, with run and waiting times."},
		{EmailDelivery, "Email delivery", "Mails sent and failed, by template and day, and why they failed."},
		{Signups, "Sign-ups", "Registrations and verifications by day, and how many convert."},
		{Errors, "Errors", "Failed attempts by queue and reason, and their trend."},
		{SLA, "Service levels", "Waiting and run times by queue, and the share within target."},
	}
}

// Catalogue is the set of reports that can be asked for. The zero value is empty.
type Catalogue struct{ entries []Entry }

// NewCatalogue lists the service's own reports, and those that an operator
// defined. It refuses a definition that is not valid, or whose name is taken.
func NewCatalogue(definitions ...Definition) (Catalogue, error) {
	c := Catalogue{entries: ownReports()}
	for _, d := range definitions {
		if err := d.Validate(); err != nil {
			return Catalogue{}, fmt.Errorf("report %q: %w", d.Name, err)
		}
		if c.Has(d.Name) {
			return Catalogue{}, fmt.Errorf("report %q: the name is taken", d.Name)
		}
		c.entries = append(c.entries, Entry{d.Name, d.Title, d.Description})
	}
	return c, nil
}

// Has reports whether a report of that name can be asked for.
func (c Catalogue) Has(name string) bool {
	_, ok := c.Find(name)
	return ok
}

// Find returns the entry of that name.
func (c Catalogue) Find(name string) (Entry, bool) {
	i := slices.IndexFunc(c.entries, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		return Entry{}, false
	}
	return c.entries[i], true
}

// Entries lists the reports, the service's own first.
func (c Catalogue) Entries() []Entry { return slices.Clone(c.entries) }

func (c Catalogue) names() string {
	names := make([]string, len(c.entries))
	for i, e := range c.entries {
		names[i] = e.Name
	}
	return strings.Join(names, ", ")
}
