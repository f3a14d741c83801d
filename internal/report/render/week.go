package render

import (
	"time"

	"github.com/tandemq/tandem/internal/report/document"
)

// byWeek is the chart with a bar for each week when a bar for each day would be
// a hairline. Bars that are stacked can be added up, so the week's is the sum.
// Every other chart stays as it is.
func byWeek(c *document.Chart) *document.Chart {
	if !drawnByWeek(c) {
		return c
	}
	weekly := *c
	weekly.Categories = nil
	weekly.Series = make([]document.Series, len(c.Series))
	for i, s := range c.Series {
		weekly.Series[i] = document.Series{Name: s.Name, Tone: s.Tone}
	}
	for i, category := range c.Categories {
		monday := mondayOf(category)
		if last := len(weekly.Categories) - 1; last < 0 || weekly.Categories[last] != monday {
			weekly.Categories = append(weekly.Categories, monday)
			for j := range weekly.Series {
				weekly.Series[j].Values = append(weekly.Series[j].Values, document.None())
			}
		}
		week := len(weekly.Categories) - 1
		for j, s := range c.Series {
			weekly.Series[j].Values[week] = plus(weekly.Series[j].Values[week], s.Values[i])
		}
	}
	return &weekly
}

func drawnByWeek(c *document.Chart) bool {
	return c.Kind == document.StackedBars && c.Dates && len(c.Categories) > maxBars
}

// plus adds two values, of which None adds nothing.
func plus(a, b document.Value) document.Value {
	x, known := a.Float()
	y, also := b.Float()
	if !known && !also {
		return document.None()
	}
	return document.Number(x + y)
}

func mondayOf(day string) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return day
	}
	return t.AddDate(0, 0, -(int(t.Weekday())+6)%7).Format(time.DateOnly)
}

// weekNote says what a bar is, where it is not what the table's rows are.
func weekNote(c *document.Chart) string {
	if !drawnByWeek(c) {
		return ""
	}
	return "Each bar is one week, named by its Monday."
}
