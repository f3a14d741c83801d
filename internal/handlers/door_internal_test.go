package handlers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzDoor(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":{"b":[1,2,{"c":null}]}}`, `{"a":1,"a":2}`, `{"a":1}{`, `[1e999]`, "\"\xff\"", `"\ud800"`, ` 1 `, `tru`, `{"a"}`, `[,]`, `{"a":1,}`,
		strings.Repeat("[", 40) + strings.Repeat("]", 40), "\ufeff{}", `{"":{"":1}}`, `-0`, `01`, `"\u0000"`, `{"a":{"b":1},"b":[{"a":1},{"a":2}]}`, `{"a\"":1,"a":2,"a":3}`, `{"a" : ":" , "b":"\\"}`, `[1e400]`, `[-1.5E+2,0.1]`, "{\"a\":\"\x01\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		err := checkJSON(body)
		if closer := walkJSON(body); json.Valid(body) && glance(body) && closer != nil && utf8.Valid(body) {
			t.Fatalf("let in at a glance, and yet %v: %q", closer, body)
		}
		if err != nil {
			if text := err.Error(); !utf8.ValidString(text) || len(text) > 100 {
				t.Errorf("the error repeats the body: %q", text)
			}
			return
		}
		if !json.Valid(body) || !utf8.Valid(body) {
			t.Fatalf("let in: %q", body)
		}
		var value any
		if err := json.Unmarshal(body, &value); err != nil {
			t.Fatalf("%q does not decode: %v", body, err)
		}
		again, err := json.Marshal(value)
		if err != nil || depthOf(value) > maxDepth {
			t.Fatalf("%q is %d deep: %v", body, depthOf(value), err)
		}
		if err := checkJSON(again); err != nil {
			t.Fatalf("%q was let in and %q is not: %v", body, again, err)
		}
		// No key was dropped: what comes out has as many as went in.
		if got, want := bytes.Count(keysOf(again), []byte("k")), bytes.Count(keysOf(body), []byte("k")); got != want {
			t.Fatalf("%d keys of %d are left of %q", got, want, body)
		}
	})
}

func TestOrdinaryBodiesPassWithoutAllocating(t *testing.T) {
	body := []byte(`{"template":"welcome","to":"ada@example.com","data":{"name":"Ada \"L\"","n":[1,-2.5,true,null]},"options":{"priority":"high"}}`)
	if !glance(body) {
		t.Error("an ordinary body needs a closer look")
	}
	// Goroutines that earlier tests are still ending allocate too: the least of
	// some measurements is ours.
	least := math.Inf(1)
	for range 10 {
		least = min(least, testing.AllocsPerRun(100, func() { _ = checkJSON(body) }))
	}
	if least > 0 {
		t.Errorf("%v allocations", least)
	}
}

func TestWhatIsInDoubtGetsACloserLook(t *testing.T) {
	many := "{"
	for i := range maxGlanceKeys + 1 {
		many += fmt.Sprintf(`"k%d":0,`, i)
	}
	for name, body := range map[string]string{
		"same key":                   `{"a":1,"b":{"a":1},"a":2}`,
		"same key escaped":           `{"a":1,"\u0061":2}`,
		"deep":                       strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1),
		"exponent":                   `[1e999]`,
		"long number":                "[" + strings.Repeat("9", maxGlanceNumber+1) + "]",
		"more keys than it compares": strings.TrimSuffix(many, ",") + "}",
	} {
		if !json.Valid([]byte(body)) || glance([]byte(body)) {
			t.Errorf("%s: %s needs no closer look", name, body)
		}
	}
}

func depthOf(value any) int {
	deepest := 0
	switch v := value.(type) {
	case map[string]any:
		for _, one := range v {
			deepest = max(deepest, depthOf(one))
		}
	case []any:
		for _, one := range v {
			deepest = max(deepest, depthOf(one))
		}
	default:
		return 0
	}
	return deepest + 1
}

// keysOf writes a k for each key of a JSON text.
func keysOf(text []byte) []byte {
	var keys []byte
	decoder := json.NewDecoder(bytes.NewReader(text))
	var open []json.Delim
	isKey := false
	for {
		token, err := decoder.Token()
		if err != nil {
			return keys
		}
		delim, _ := token.(json.Delim)
		switch {
		case delim == '{' || delim == '[':
			open = append(open, delim)
			isKey = delim == '{'
			continue
		case delim != 0:
			open = open[:len(open)-1]
		case isKey:
			keys = append(keys, 'k')
			isKey = false
			continue
		}
		isKey = len(open) > 0 && open[len(open)-1] == '{'
	}
}
