package broker

import (
	"fmt"
	"strconv"

	"github.com/tandemq/tandem/internal/jobs/internal/wire"
)

// A reply is what a script returned, as the client decodes it: int64, string,
// nil and slices of these. The readers below turn a shape that a script's
// header does not promise into an error.

func list(reply any) ([]any, error) {
	values, ok := reply.([]any)
	if !ok {
		return nil, fmt.Errorf("unexpected reply %T", reply)
	}
	return values, nil
}

func number(reply any) (int64, error) {
	switch v := reply.(type) {
	case int64:
		return v, nil
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("unexpected reply %q", v)
		}
		return n, nil
	default:
		return 0, fmt.Errorf("unexpected reply %T", reply)
	}
}

func codes(reply any) ([]wire.Code, error) {
	values, err := list(reply)
	if err != nil {
		return nil, err
	}
	out := make([]wire.Code, len(values))
	for i, v := range values {
		n, err := number(v)
		if err != nil {
			return nil, err
		}
		out[i] = wire.Code(n)
	}
	return out, nil
}

func texts(reply any) ([]string, error) {
	values, err := list(reply)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(values))
	for i, v := range values {
		text, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("unexpected reply %T", v)
		}
		out[i] = text
	}
	return out, nil
}

// hash reads the flat list of fields and values that HGETALL gives inside a
// script.
func hash(reply any) (wire.Hash, error) {
	values, err := texts(reply)
	if err != nil {
		return nil, err
	}
	return hashOf(values), nil
}

// hashOf makes a hash of fields and values. Of a field that comes twice the last
// one counts.
func hashOf(values []string) wire.Hash {
	h := make(wire.Hash, len(values)/2)
	for i := 0; i+1 < len(values); i += 2 {
		h[values[i]] = values[i+1]
	}
	return h
}
