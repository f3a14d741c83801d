package dataset

import (
	"strings"
	"unicode"
)

// Type says what the values of a column are, and so how a filter's value is
// read and how a cell is written.
type Type string

// The types of columns, with the Go types that Cursor.Rows yields for them.
const (
	Text      Type = "text"      // string
	Integer   Type = "integer"   // int64
	Number    Type = "number"    // int64, float64, or json.Number when exact decimals matter
	Boolean   Type = "boolean"   // bool
	Timestamp Type = "timestamp" // time.Time in UTC
	Date      Type = "date"      // time.Time, midnight UTC
)

// Stored says how a database keeps a timestamp or a date.
type Stored string

// The ways to store a time.
const (
	Native  Stored = ""     // the database's own type, or RFC 3339 text in UTC
	Millis  Stored = "ms"   // a number of milliseconds since 1970 in UTC
	Seconds Stored = "s"    // a number of seconds since 1970 in UTC
	SQLText Stored = "text" // text like 2026-11-24 15:04:05 in UTC, as SQLite's own functions write
)

// Column is one thing that can be selected, filtered and ordered by.
type Column struct {
	Name   string // what a query calls it
	From   string // the column of the SELECT; empty is Name
	Type   Type
	Label  string // the heading in a file; empty is made from Name
	Stored Stored // of a Timestamp or a Date
}

// Order is one key to sort by.
type Order struct {
	Column string // a Column's name
	Desc   bool
}

// None, as the tenant or owner column of a Dataset, says that it has none.
const None = "none"

// Dataset is a described SELECT.
type Dataset struct {
	Name  string
	Title string // what a heading calls it; empty is made from Name

	// Operators says that it is the operator's, and read from their database;
	// the others are read from the service's own.
	Operators bool

	// Select is trusted SQL without parameters. Its columns, and nothing else,
	// can be named by Columns, Tenant and Owner.
	Select string

	// Tenant is the column of Select that holds the id of the tenant a row
	// belongs to, or None when tenants share all rows. Owner holds the id of
	// the user, or None when no row belongs to a user: then only AllRows reads it.
	Tenant, Owner string

	Columns []Column
	Order   []Order // applied after what a query orders by
}

// Column finds a column by the name that queries use.
func (d *Dataset) Column(name string) (Column, bool) {
	for _, c := range d.Columns {
		if c.Name == name {
			return c, true
		}
	}
	return Column{}, false
}

// ColumnNames lists what a query can name, in the order of the file.
func (d *Dataset) ColumnNames() []string {
	names := make([]string, len(d.Columns))
	for i, c := range d.Columns {
		names[i] = c.Name
	}
	return names
}

// withDefaults fills in what a short description leaves out.
func (d Dataset) withDefaults() Dataset {
	if d.Title == "" {
		d.Title = heading(d.Name)
	}
	d.Select = strings.TrimRight(strings.TrimSpace(d.Select), "; \t\r\n")
	d.Columns = append([]Column(nil), d.Columns...)
	for i, c := range d.Columns {
		if c.From == "" {
			d.Columns[i].From = c.Name
		}
		if c.Label == "" {
			d.Columns[i].Label = heading(c.Name)
		}
	}
	return d
}

// heading turns a name into words: createdAt and created_at are "Created at".
func heading(name string) string {
	var words strings.Builder
	previous := 'A' // nothing stands before the first word
	for i, r := range name {
		switch {
		case i == 0:
			words.WriteRune(unicode.ToUpper(r))
		case r == '_' || r == '-':
			words.WriteByte(' ')
		default:
			if unicode.IsUpper(r) && !unicode.IsUpper(previous) {
				words.WriteByte(' ')
			}
			words.WriteRune(unicode.ToLower(r))
		}
		previous = r
	}
	return words.String()
}
