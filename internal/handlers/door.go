package handlers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// maxDepth is how deep a body may be nested.
const maxDepth = 32

// checkJSON says why a body is not JSON as this API reads it. encoding/json
// takes the last of two equal keys, replaces bytes that are not UTF-8 and knows
// no limit of depth that protects anything; other readers of the same bytes do
// otherwise, and what two programs read differently can be used between them.
// Errors tell the place and never what stands there.
func checkJSON(body []byte) error {
	if !utf8.Valid(body) {
		return errors.New("the body is not valid UTF-8")
	}
	if json.Valid(body) && glance(body) {
		return nil
	}
	return walkJSON(body)
}

// walkJSON looks at every token of a body.
func walkJSON(body []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	d := door{decoder: decoder}
	if err := d.value(0); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("something follows the JSON value at byte %d", decoder.InputOffset())
	}
	return nil
}

// door walks through the tokens of a body.
type door struct{ decoder *json.Decoder }

func (d *door) value(depth int) error {
	token, err := d.token()
	if err != nil {
		return err
	}
	switch t := token.(type) {
	case json.Number:
		if _, err := strconv.ParseFloat(t.String(), 64); err != nil {
			return fmt.Errorf("the number before byte %d is out of range", d.decoder.InputOffset())
		}
	case json.Delim:
		if depth == maxDepth {
			return fmt.Errorf("the body is nested deeper than %d levels", maxDepth)
		}
		if t == '{' {
			return d.object(depth + 1)
		}
		return d.array(depth + 1)
	}
	return nil
}

func (d *door) object(depth int) error {
	seen := map[string]bool{}
	for d.decoder.More() {
		token, err := d.token()
		if err != nil {
			return err
		}
		key, _ := token.(string)
		if seen[key] {
			return fmt.Errorf("an object has the same key twice before byte %d", d.decoder.InputOffset())
		}
		seen[key] = true
		if err := d.value(depth); err != nil {
			return err
		}
	}
	_, err := d.token()
	return err
}

func (d *door) array(depth int) error {
	for d.decoder.More() {
		if err := d.value(depth); err != nil {
			return err
		}
	}
	_, err := d.token()
	return err
}

func (d *door) token() (json.Token, error) {
	token, err := d.decoder.Token()
	if err != nil {
		return nil, fmt.Errorf("the body is not valid JSON at byte %d", d.decoder.InputOffset())
	}
	return token, nil
}
