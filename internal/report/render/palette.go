package render

import (
	"fmt"
	"strings"

	"github.com/go-analyze/charts"

	"github.com/tandemq/tandem/internal/report/document"
)

// colour is one role of the design in light and in dark. The light values are
// all different, which is how the SVG's colours are told apart again.
type colour struct {
	name        string
	light, dark string
}

var (
	ink   = colour{"ink", "#0f172a", "#e7ecf3"}
	muted = colour{"muted", "#5b6780", "#9aa7bd"}
	grid  = colour{"grid", "#e6eaf1", "#263145"}
	axis  = colour{"axis", "#c3cbd9", "#3d4a61"}
	bad   = colour{"bad", "#d92d3a", "#f8717a"}
	other = colour{"rest", "#a3aec2", "#66738a"}
)

// seriesColours differ in lightness as well as in hue, so that they also differ
// in grey and for most kinds of colour blindness.
var seriesColours = [...]colour{
	{"s0", "#2f5bea", "#7c9cff"},
	{"s1", "#12a594", "#37d6c0"},
	{"s2", "#e8930c", "#ffb84d"},
	{"s3", "#7b4ae2", "#b294ff"},
	{"s4", "#0b7fab", "#4fc3ee"},
	{"s5", "#c0408f", "#f08cc8"},
}

func roles() []colour {
	return append([]colour{ink, muted, grid, axis, bad, other}, seriesColours[:]...)
}

// coloursOf is one colour for each series of a chart.
func coloursOf(list []document.Series) []colour {
	chosen := make([]colour, len(list))
	next := 0
	for i, s := range list {
		switch s.Tone {
		case document.Bad:
			chosen[i] = bad
		case document.Rest:
			chosen[i] = other
		default:
			chosen[i] = seriesColours[next%len(seriesColours)]
			next++
		}
	}
	return chosen
}

// theme is the palette as the chart library takes it: light colours.
func theme(series []colour) charts.ColorPalette {
	list := make([]charts.Color, len(series))
	for i, c := range series {
		list[i] = charts.ColorFromHex(c.light)
	}
	return charts.MakeTheme(charts.ThemeOption{
		AxisStrokeColor:    charts.ColorTransparent, // no spine and no ticks: the grid is enough
		AxisSplitLineColor: charts.ColorFromHex(grid.light),
		TextColor:          charts.ColorFromHex(muted.light),
		BackgroundColor:    charts.ColorTransparent,
		SeriesColors:       list,
	})
}

// colourRules are the style sheet's rules for the roles: variables for light
// and dark, and the classes that a chart's shapes carry.
func colourRules() string {
	var light, dark, classes strings.Builder
	for _, c := range roles() {
		fmt.Fprintf(&light, "--%s:%s;", c.name, c.light)
		fmt.Fprintf(&dark, "--%s:%s;", c.name, c.dark)
		fmt.Fprintf(&classes, ".f-%[1]s{fill:var(--%[1]s)}.k-%[1]s{stroke:var(--%[1]s)}.b-%[1]s{background:var(--%[1]s)}\n", c.name)
	}
	return fmt.Sprintf(":root{%s}\n@media screen and (prefers-color-scheme:dark){:root{%s}}\n%s", light.String(), dark.String(), classes.String())
}
