package render

import (
	"fmt"
	"math"
	"time"

	"github.com/go-analyze/charts"

	"github.com/tandemq/tandem/internal/report/document"
)

// A chart's size in its own units: CSS pixels on the page, and as many times
// larger in a PNG as pngScale says, so that print is sharp.
const (
	chartWidth  = 760
	chartHeight = 250
	barHeight   = 30 // of one bar of a ranking, gap included
	pngScale    = 3
	fontSize    = 8.5 // points
	maxBars     = 92  // days of which each has a bar; more are drawn by week
)

// drawing is one chart about to be drawn at a scale.
type drawing struct {
	chart  *document.Chart
	format string
	scale  int
	fonts  *Renderer
	wider  int // pixels beyond the common width
}

// svg draws a chart for the page.
func (r *Renderer) svg(c *document.Chart) drawing {
	return drawing{chart: byWeek(c), format: charts.ChartOutputSVG, scale: 1, fonts: r}
}

// png draws the nth chart of a PDF, n pixels wider than the common width. The
// PDF library sorts images by their width, and those of one width by chance:
// with a width of its own each has its place, and the file is the same each time.
func (r *Renderer) png(c *document.Chart, n int) drawing {
	return drawing{chart: byWeek(c), format: charts.ChartOutputPNG, scale: pngScale, fonts: r, wider: n}
}

func heightOf(c *document.Chart) int {
	if c.Kind == document.Ranking {
		return 40 + barHeight*len(c.Categories)
	}
	return chartHeight
}

func (d drawing) draw() ([]byte, error) {
	p := charts.NewPainter(charts.PainterOptions{
		OutputFormat: d.format,
		Width:        chartWidth*d.scale + d.wider,
		Height:       heightOf(d.chart) * d.scale,
		Font:         d.fonts.font,
		Theme:        d.theme(),
	})
	var err error
	switch {
	case d.chart.Kind == document.Ranking:
		err = p.BarChart(d.ranking())
	case d.chart.Kind == document.StackedBars && !d.negative():
		err = p.BarChart(d.bars())
	default:
		err = p.LineChart(d.lines())
	}
	if err != nil {
		return nil, fmt.Errorf("draw chart: %w", err)
	}
	return p.Bytes()
}

// theme has no background on the page, which may be dark, and white in print.
func (d drawing) theme() charts.ColorPalette {
	palette := theme(coloursOf(d.chart.Series))
	if d.format == charts.ChartOutputPNG {
		// A hairline of the grid has to be darker than on a screen to be seen.
		return palette.WithBackgroundColor(charts.ColorWhite).WithAxisSplitLineColor(charts.ColorFromHex(axis.light))
	}
	return palette
}

// padding leaves room below for labels that were moved down, descenders included.
func (d drawing) padding() charts.Box {
	return charts.NewBox(4*d.scale+d.extra(), 10*d.scale, 18*d.scale, 2*d.extra())
}

func (d drawing) textStyle() charts.FontStyle {
	return charts.FontStyle{FontSize: fontSize * float64(d.scale), FontColor: charts.ColorFromHex(muted.light), Font: d.fonts.font}
}

// nameStyle sets names that stand beside their bar. On the page it is measured
// in bold, since a browser's own font may be wider than ours.
func (d drawing) nameStyle() charts.FontStyle {
	style := d.textStyle()
	if d.format == charts.ChartOutputSVG {
		style.Font = d.fonts.wide
	}
	return style
}

func (d drawing) values(s document.Series) []float64 {
	list := make([]float64, len(s.Values))
	for i, v := range s.Values {
		n, ok := v.Float()
		if !ok {
			n = charts.GetNullValue()
		}
		list[i] = n
	}
	return list
}

// negative reports whether any value is below zero. Such values cannot be
// stacked: they are drawn as lines, on an axis that the library chooses.
func (d drawing) negative() bool {
	for _, s := range d.chart.Series {
		for _, v := range s.Values {
			if n, _ := v.Float(); n < 0 {
				return true
			}
		}
	}
	return false
}

func (d drawing) valueAxis() charts.ValueAxisOption {
	if d.negative() {
		return charts.ValueAxisOption{
			LabelFontStyle: d.textStyle(), ValueFormatter: d.chart.Format.Axis,
			LabelOffset: charts.OffsetInt{Left: -d.extra()},
		}
	}
	top, count := d.ceiling()
	return charts.ValueAxisOption{
		Min: charts.Ptr(0.0), Max: charts.Ptr(top), LabelCount: count,
		LabelFontStyle: d.textStyle(), ValueFormatter: d.chart.Format.Axis,
		LabelOffset:            charts.OffsetInt{Left: -d.extra()},
		RangeValuePaddingScale: charts.Ptr(0.0),
	}
}

// ceiling is a round number at or above all that is drawn, and how many ticks
// divide the axis up to it evenly.
func (d drawing) ceiling() (top float64, ticks int) {
	highest := 0.0
	for i := range d.chart.Categories {
		highest = max(highest, d.highestAt(i))
	}
	if d.chart.Format.Kind == document.Percent {
		return percentCeiling(highest)
	}
	whole := d.chart.Format.Kind == document.Count
	if d.chart.Format.Kind == document.Duration {
		unit := durationUnit(highest)
		top, ticks = roundCeiling(highest/unit, false)
		return top * unit, ticks
	}
	return roundCeiling(highest, whole)
}

func (d drawing) highestAt(category int) float64 {
	highest, sum := 0.0, 0.0
	for _, s := range d.chart.Series {
		n, _ := s.Values[category].Float()
		highest = max(highest, n)
		sum += max(0, n)
	}
	if d.chart.Kind == document.StackedBars || d.chart.Kind == document.StackedArea {
		return sum
	}
	return highest
}

// percentCeiling is 100 % for what comes near it, and less for small shares.
func percentCeiling(highest float64) (float64, int) {
	if highest > 0.5 && highest <= 1 {
		return 1, 5
	}
	top, ticks := roundCeiling(highest*100, false)
	return top / 100, ticks
}

// durationUnit is the unit, in milliseconds, in which durations up to ms are round.
func durationUnit(ms float64) float64 {
	for _, unit := range []float64{86400e3, 3600e3, 60e3} {
		if ms >= 1.5*unit {
			return unit
		}
	}
	return 1
}

// roundCeiling divides 0 to at least highest into steps of 1, 2, 2.5 or 5 times a power
// of ten: four to six ticks, and the lowest ceiling that these allow.
func roundCeiling(highest float64, whole bool) (top float64, ticks int) {
	if highest <= 0 {
		return 1, 2
	}
	best := math.Inf(1)
	for steps := 3; steps <= 5; steps++ {
		step := roundStep(highest/float64(steps), whole)
		if reach := step * float64(steps); reach < best {
			best, ticks = reach, steps+1
		}
	}
	if whole && highest <= 3 {
		return math.Ceil(highest), int(math.Ceil(highest)) + 1
	}
	return best, ticks
}

func roundStep(atLeast float64, whole bool) float64 {
	power := math.Pow(10, math.Floor(math.Log10(atLeast)))
	for _, factor := range []float64{1, 2, 2.5, 5, 10} {
		step := factor * power
		if whole && step != math.Trunc(step) {
			continue
		}
		if step >= atLeast*(1-1e-9) {
			return step
		}
	}
	return 10 * power
}

func (d drawing) bars() charts.BarChartOption {
	o := charts.NewBarChartOptionWithSeries(d.barSeries())
	o.Theme = d.theme()
	o.Padding = d.padding()
	o.Legend = charts.LegendOption{Show: charts.Ptr(false)}
	o.StackSeries = charts.Ptr(true)
	o.CategoryAxis = d.categoryAxis()
	o.ValueAxis = []charts.ValueAxisOption{d.valueAxis()}
	o.ValueFormatter = d.chart.Format.Axis
	o.BarSize = 0.72
	return o
}

func (d drawing) barSeries() charts.BarSeriesList {
	list := make([][]float64, len(d.chart.Series))
	for i, s := range d.chart.Series {
		list[i] = d.values(s)
	}
	return charts.NewSeriesListBar(list)
}

func (d drawing) lines() charts.LineChartOption {
	list := make([][]float64, len(d.chart.Series))
	for i, s := range d.chart.Series {
		list[i] = d.values(s)
	}
	o := charts.NewLineChartOptionWithSeries(charts.NewSeriesListLine(list))
	o.Theme = d.theme()
	o.Padding = d.padding()
	o.Legend = charts.LegendOption{Show: charts.Ptr(false)}
	o.XAxis = d.categoryAxis()
	if len(d.chart.Categories) > roomyPoints {
		d.underPoints(&o.XAxis)
	}
	o.YAxis = []charts.ValueAxisOption{d.valueAxis()}
	o.ValueFormatter = d.chart.Format.Axis
	o.LineStrokeWidth = 2 * float64(d.scale)
	o.Symbol = d.symbol()
	if d.chart.Kind == document.StackedArea && !d.negative() {
		o.StackSeries = charts.Ptr(true)
		o.FillOpacity = 190
		o.LineStrokeWidth = float64(d.scale)
	}
	return o
}

// roomyPoints is up to how many points stand in the middle of a slot each, as
// bars do. The library decides so for itself at 40 pixels, which depends on the
// scale; more points reach from one edge of the plot to the other.
const roomyPoints = 16

// underPoints centres labels below points that reach from edge to edge. The
// library begins a label at its point, and ends the last one there.
func (d drawing) underPoints(axis *charts.CategoryAxisOption) {
	axis.BoundaryGap = charts.Ptr(false)
	axis.Labels[len(axis.Labels)-1] = ""
	widest := 0.0
	for _, label := range axis.Labels {
		widest = max(widest, d.textWidth(label))
	}
	axis.LabelOffset.Left = -int(widest / 2)
}

// symbol marks each point while they are few; between gaps, a point without a
// mark would not be seen at all.
func (d drawing) symbol() charts.Symbol {
	if len(d.chart.Categories) > maxBars || d.chart.Kind != document.Lines {
		return charts.Symbol{Shape: charts.SymbolNone}
	}
	return charts.Symbol{Shape: charts.SymbolDot, Size: 2.5 * float64(d.scale)}
}

func (d drawing) categoryAxis() charts.CategoryAxisOption {
	return charts.CategoryAxisOption{
		BoundaryGap:    charts.Ptr(true),
		Labels:         d.categoryLabels(),
		LabelFontStyle: d.textStyle(),
		LabelCount:     len(d.chart.Categories),
		LabelOffset:    charts.OffsetInt{Top: d.extra()},
	}
}

// extra is what a margin inside the library, which is in pixels, lacks at a
// larger scale.
func (d drawing) extra() int { return 4 * (d.scale - 1) }

// categoryLabels leaves most labels blank, so that those shown are evenly spaced.
func (d drawing) categoryLabels() []string {
	step := labelStep(len(d.chart.Categories))
	list := make([]string, len(d.chart.Categories))
	for i, c := range d.chart.Categories {
		switch {
		case i%step != 0: // blank
		case d.chart.Dates:
			list[i] = shortDate(c, d.spansYears())
		default:
			list[i] = clip(d.fonts.drawable(c), 12)
		}
	}
	return list
}

// labelStep is the distance of labels of which at most ten fit: in days, one
// week and its multiples come naturally.
func labelStep(n int) int {
	for _, step := range []int{1, 2, 3, 4, 7, 14, 28, 42} {
		if (n+step-1)/step <= 10 {
			return step
		}
	}
	return (n + 9) / 10
}

func (d drawing) spansYears() bool {
	first, last := d.chart.Categories[0], d.chart.Categories[len(d.chart.Categories)-1]
	return len(first) >= 4 && len(last) >= 4 && first[:4] != last[:4]
}

func shortDate(text string, withYear bool) string {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return text
	}
	if withYear {
		return t.Format("2 Jan ’06")
	}
	return t.Format("2 Jan")
}

// ranking draws bars from the left, the first on top, with their value behind.
func (d drawing) ranking() charts.BarChartOption {
	o := charts.NewBarChartOptionWithSeries(reversed(d.barSeries()))
	o.Theme = d.theme()
	o.Horizontal = true
	o.Padding = charts.NewBox(4*d.scale, 6*d.scale, 16*d.scale+d.widestValue(), d.extra())
	o.Legend = charts.LegendOption{Show: charts.Ptr(false)}
	o.CategoryAxis = charts.CategoryAxisOption{Labels: d.rankLabels(), LabelFontStyle: d.nameStyle()}
	o.ValueAxis = []charts.ValueAxisOption{d.valueAxis()}
	o.ValueFormatter = d.chart.Format.Axis
	o.BarSize = 0.6
	for i := range o.SeriesList {
		o.SeriesList[i].Label = charts.SeriesLabel{
			Show: charts.Ptr(true), FontStyle: d.textStyle(),
			ValueFormatter: func(n float64) string { return d.chart.Format.Bare(document.Number(n)) },
		}
	}
	return o
}

// widestValue is the room, in pixels, for the number behind the longest bar.
func (d drawing) widestValue() int {
	widest := 0.0
	for _, v := range d.chart.Series[0].Values {
		widest = max(widest, d.textWidth(d.chart.Format.Bare(v)))
	}
	return int(widest)
}

// textWidth is the width of a label in pixels.
func (d drawing) textWidth(text string) float64 {
	return textWidth(d.fonts.font, text, fontSize*float64(d.scale)*libraryDPI/72)
}

func reversed(list charts.BarSeriesList) charts.BarSeriesList {
	for _, s := range list {
		for i, j := 0, len(s.Values)-1; i < j; i, j = i+1, j-1 {
			s.Values[i], s.Values[j] = s.Values[j], s.Values[i]
		}
	}
	return list
}

// maxRankLabel is how many characters of a name stand beside its bar.
const maxRankLabel = 44

func (d drawing) rankLabels() []string {
	list := make([]string, len(d.chart.Categories))
	for i, c := range d.chart.Categories {
		list[len(list)-1-i] = clip(d.fonts.drawable(c), maxRankLabel)
	}
	return list
}
