package handlers

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzDoor(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":{"b":[1,2,{"c":null}]}}`, `{"a":1,"a":2}`, `{"a":1}{`, `[1e999]`, "\"\xff\"", `"\ud800"`, ` 1 `, `tru`, `{"a"}`, `[,]`, `{"a":1,}`,
		strings.Repeat("[", 40) + strings.Repeat("]", 40), "\ufeff{}", `{"":{"":1}}`, `-0`, `01`, `"\u0000"`, "{\"a\":\"\x01\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		err := checkJSON(body)
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
