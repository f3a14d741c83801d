// Package report says what a report is: what may be asked for, what is refused
// and what comes back. It reads nothing and draws nothing, so whoever only
// accepts requests links neither a database nor charts nor PDF.
//
// A report goes through four rooms, each below the next:
//
//	report            Payload, Catalogue, Definition, Range, Result: the words
//	report/document   the report as a value: tiles, tables, charts, notes
//	report/build      rows of a database  → document
//	report/render     document            → html, pdf, json
//	report/maker      one job: build, render, store, answer with links
//
// A range is half-open, [start, end), and its dates are days of the tenant's
// time zone: a day with a clock change has 23 or 25 hours, and is one day. A
// range in which nothing happened is a valid report, which says so.
package report
