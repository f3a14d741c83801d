package render

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// What the chart library draws today is harmless. Should a release of it let a
// label through as markup, the page must not notice.
func TestInlineSVGKeepsOnlyWhatDraws(t *testing.T) {
	tests := map[string]struct{ drawn, want string }{
		"a script":           {`<svg><script>alert(1)</script></svg>`, `<svg role="img" focusable="false" aria-label="c"></svg>`},
		"nested markup":      {`<svg><foreignObject><body><path d="M 0 0"/></body></foreignObject><g></g></svg>`, `<svg role="img" focusable="false" aria-label="c"><g></g></svg>`},
		"a link":             {`<svg><a href="https://evil.example"><text x="1" y="2">t</text></a></svg>`, `<svg role="img" focusable="false" aria-label="c"></svg>`},
		"an event handler":   {`<svg onload="alert(1)"><path onclick="x()" d="M 0 0"/></svg>`, `<svg role="img" focusable="false" aria-label="c"><path d="M 0 0"></path></svg>`},
		"an outside image":   {`<svg><image href="https://evil.example/x.png"/></svg>`, `<svg role="img" focusable="false" aria-label="c"></svg>`},
		"style that loads":   {`<svg><path d="M 0 0" style="fill:url(https://evil.example);background:url(x)"/></svg>`, `<svg role="img" focusable="false" aria-label="c"><path d="M 0 0" fill="none"></path></svg>`},
		"a palette's colour": {`<svg><path d="M 0 0" style="stroke-width:2;stroke:rgb(217,45,58);fill:none"/></svg>`, `<svg role="img" focusable="false" aria-label="c"><path d="M 0 0" stroke-width="2" fill="none" class="k-bad"></path></svg>`},
		"an opacity":         {`<svg><path d="M 0 0" style="stroke:none;fill:rgba(217,45,58,0.5)"/></svg>`, `<svg role="img" focusable="false" aria-label="c"><path d="M 0 0" stroke="none" fill-opacity="0.5" class="f-bad"></path></svg>`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := inlineSVG([]byte(tt.drawn), "c", anchors{})
			if err != nil || string(got) != tt.want {
				t.Errorf("error %v\n got %s\nwant %s", err, got, tt.want)
			}
		})
	}
}

func TestABrokenSVGIsAnError(t *testing.T) {
	if got, err := inlineSVG([]byte(`<svg><text>a</svg>`), "c", anchors{}); err == nil {
		t.Errorf("a broken drawing became %q", got)
	}
}

// An axis reaches at least as high as its data, and not much higher.
func TestAnAxisEndsAtARoundNumberAboveTheData(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		highest := rapid.Float64Range(0.0001, 1e15).Draw(t, "highest")
		whole := rapid.Bool().Draw(t, "whole")
		if whole {
			highest = math.Ceil(highest)
		}
		top, ticks := roundCeiling(highest, whole)
		step := top / float64(ticks-1)
		if top < highest*(1-1e-9) || top > 2.5*highest || ticks < 2 || ticks > 6 {
			t.Fatalf("highest %g: top %g with %d ticks", highest, top, ticks)
		}
		if whole && math.Abs(step-math.Round(step)) > 1e-9*step {
			t.Fatalf("highest %g: a count has a step of %g", highest, step)
		}
	})
}
