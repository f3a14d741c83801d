package dataset

import "time"

// A time that is stored as text is compared byte by byte, and one moment can be
// written in several ways: 15:04:05Z, 15:04:05.000Z as JavaScript does, 15:04:05+00:00.
//
// So a moment is bound as what sorts at or before all of its own spellings and
// after those of every earlier moment, and equality looks for each spelling. Both
// databases read what is bound as the same moment where the column is of their
// own type.

// textual reports whether a column's times may be text.
func (c Column) textual() bool {
	return c.Type == Timestamp && (c.Stored == Native || c.Stored == SQLText)
}

// compareTime is column operator moment.
func compareTime(column Column, name string, moment time.Time) condition {
	same := within{column, spellings(column, moment)}
	switch name {
	case "eq":
		return same
	case "ne":
		return negation{same}
	case "lt":
		return before(column, moment)
	case "lte":
		return group{" OR ", []condition{before(column, moment), same}}
	case "gt":
		return group{" AND ", []condition{since(column, moment), negation{same}}}
	default:
		return since(column, moment)
	}
}

// before holds for the moments below one. Its whole second without a fraction
// belongs to them, and would sort above: Z comes after the decimal point.
func before(column Column, moment time.Time) condition {
	below := compare{column, "<", lowest(column, moment)}
	if whole := moment.Truncate(time.Second); column.Stored == Native && !whole.Equal(moment) {
		return group{" OR ", []condition{below, within{column, spellings(column, whole)}}}
	}
	return below
}

// since holds for a moment and those after it.
func since(column Column, moment time.Time) condition {
	above := compare{column, ">=", lowest(column, moment)}
	if whole := moment.Truncate(time.Second); column.Stored == Native && !whole.Equal(moment) {
		return group{" AND ", []condition{above, negation{within{column, spellings(column, whole)}}}}
	}
	return above
}

// lowest is the text at or before all spellings of a moment: + comes before the
// decimal point, digits and Z.
func lowest(column Column, moment time.Time) string {
	if column.Stored == SQLText {
		return moment.Format("2006-01-02 15:04:05.999999999")
	}
	return moment.Format("2006-01-02T15:04:05.999999999") + "+00"
}

// spellings are the ways to write a moment in UTC: as short as it can be, and in
// milliseconds and microseconds if they are enough for it.
func spellings(column Column, moment time.Time) []any {
	day, zones := "2006-01-02T15:04:05", []string{"Z", "+00:00"}
	if column.Stored == SQLText {
		day, zones = time.DateTime, []string{""}
	}
	var all []any
	for _, form := range []struct {
		fraction string
		exact    time.Duration
	}{{".999999999", 1}, {".000", time.Millisecond}, {".000000", time.Microsecond}} {
		if !moment.Truncate(form.exact).Equal(moment) {
			continue
		}
		for _, zone := range zones {
			all = append(all, moment.Format(day+form.fraction)+zone)
		}
	}
	return all
}
