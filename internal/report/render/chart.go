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
	// denseFrom is the number of categories from which bars would be hairlines:
	// stacked bars are drawn as areas instead.
	denseFrom = 93
)

// drawing is one chart about to be drawn at a scale.
type drawing struct {
	chart  *document.Chart
	format string
	scale  int
	fonts  *Renderer
}

// svg draws a chart for the page.
func (r *Renderer) svg(c *document.Chart) ([]byte, error) {
	return drawing{c, charts.ChartOutputSVG, 1, r}.draw()
}

// png draws a chart for the PDF.
func (r *Renderer) png(c *document.Chart) ([]byte, error) {
	return drawing{c, charts.ChartOutputPNG, pngScale, r}.draw()
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
		Width:        chartWidth * d.scale,
		Height:       heightOf(d.chart) * d.scale,
		Font:         d.fonts.font,
		Theme:        theme(coloursOf(d.chart.Series)),
	})
	var err error
	switch {
	case d.chart.Kind == document.Ranking:
		err = p.BarChart(d.ranking())
	case d.chart.Kind == document.StackedBars && len(d.chart.Categories) < denseFrom:
		err = p.BarChart(d.bars())
	default:
		err = p.LineChart(d.lines())
	}
	if err != nil {
		return nil, fmt.Errorf("draw chart: %w", err)
	}
	return p.Bytes()
}

func (d drawing) padding() charts.Box {
	return charts.NewBox(4*d.scale, 10*d.scale, 18*d.scale, 0)
}

func (d drawing) textStyle() charts.FontStyle {
	return charts.FontStyle{FontSize: fontSize * float64(d.scale), FontColor: charts.ColorFromHex(muted.light), Font: d.fonts.font}
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

func (d drawing) valueAxis() charts.ValueAxisOption {
	top, count := d.ceiling()
	return charts.ValueAxisOption{
		Min: charts.Ptr(0.0), Max: charts.Ptr(top), LabelCount: count,
		LabelFontStyle: d.textStyle(), ValueFormatter: d.chart.Format.Axis,
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
	o.Theme = theme(coloursOf(d.chart.Series))
	o.Padding = d.padding()
	o.Legend = charts.LegendOption{Show: charts.Ptr(false)}
	o.StackSeries = charts.Ptr(true)
	o.CategoryAxis = d.categoryAxis()
	o.CategoryAxis.BoundaryGap = charts.Ptr(true)
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
	o.Theme = theme(coloursOf(d.chart.Series))
	o.Padding = d.padding()
	o.Legend = charts.LegendOption{Show: charts.Ptr(false)}
	o.XAxis = d.categoryAxis()
	o.XAxis.BoundaryGap = charts.Ptr(len(d.chart.Categories) == 1)
	o.YAxis = []charts.ValueAxisOption{d.valueAxis()}
	o.ValueFormatter = d.chart.Format.Axis
	o.LineStrokeWidth = 2 * float64(d.scale)
	o.Symbol = d.symbol()
	if d.chart.Kind != document.Lines {
		o.StackSeries = charts.Ptr(true)
		o.FillOpacity = 190
	}
	return o
}

// symbol marks each point while they are few; between gaps, a point without a
// mark would not be seen at all.
func (d drawing) symbol() charts.Symbol {
	if len(d.chart.Categories) > denseFrom || d.chart.Kind != document.Lines {
		return charts.Symbol{Shape: charts.SymbolNone}
	}
	return charts.Symbol{Shape: charts.SymbolDot, Size: 2.5 * float64(d.scale)}
}

func (d drawing) categoryAxis() charts.CategoryAxisOption {
	return charts.CategoryAxisOption{
		Labels:         d.categoryLabels(),
		LabelFontStyle: d.textStyle(),
		LabelCount:     min(len(d.chart.Categories), 8),
	}
}

func (d drawing) categoryLabels() []string {
	list := make([]string, len(d.chart.Categories))
	for i, c := range d.chart.Categories {
		list[i] = d.fonts.drawable(c)
		if d.chart.Dates {
			list[i] = shortDate(c, d.spansYears())
		}
	}
	return list
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
	o.Theme = theme(coloursOf(d.chart.Series))
	o.Horizontal = true
	o.Padding = charts.NewBox(4*d.scale, 6*d.scale, 40*d.scale, 0)
	o.Legend = charts.LegendOption{Show: charts.Ptr(false)}
	o.CategoryAxis = charts.CategoryAxisOption{Labels: d.rankLabels(), LabelFontStyle: d.textStyle()}
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
