package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/kelseyhightower/envconfig"
)

// Lookup gives the value of a variable and whether it is set: os.LookupEnv, or
// a map in a test.
type Lookup func(name string) (string, bool)

// LoadAPI reads and validates the configuration of cmd/api. The error is an
// *Error with everything that is wrong. The checks add what other rooms find wrong,
// such as the form of a key; they get a configuration that may have mistakes.
func LoadAPI(lookup Lookup, checks ...func(API) []Problem) (API, error) {
	var c API
	var p problems
	load(&c, lookup, &p)
	c.derive()
	c.check(&p)
	found(&p, c, checks)
	return c, p.err()
}

// LoadWorker reads and validates the configuration of cmd/worker, like LoadAPI.
func LoadWorker(lookup Lookup, checks ...func(Worker) []Problem) (Worker, error) {
	var c Worker
	var p problems
	load(&c, lookup, &p)
	c.derive()
	c.check(&p)
	found(&p, c, checks)
	return c, p.err()
}

// LoadTandem reads and validates the configuration of cmd/tandem, like LoadAPI.
func LoadTandem(lookup Lookup, checks ...func(Tandem) []Problem) (Tandem, error) {
	var c Tandem
	var p problems
	load(&c, withDefaults(lookup, tandemDefaults()), &p)
	c.derive(lookup)
	c.check(&p)
	found(&p, c, checks)
	return c, p.err()
}

// found adds what the checks find in a configuration.
func found[C any](p *problems, c C, checks []func(C) []Problem) {
	for _, check := range checks {
		for _, problem := range check(c) {
			p.add(problem.Variable, "%s", problem.Reason)
		}
	}
}

// withDefaults answers for variables that are unset or empty.
func withDefaults(lookup Lookup, defaults map[string]string) Lookup {
	return func(name string) (string, bool) {
		if value, ok := lookup(name); ok && strings.TrimSpace(value) != "" {
			return value, true
		}
		value, ok := defaults[name]
		return value, ok
	}
}

// load fills the struct that spec points to. A field that cannot be read keeps
// its default.
func load(spec any, lookup Lookup, p *problems) {
	for _, f := range fieldsOf(spec) {
		if err := decode(f.value, f.Default); err != nil {
			panic(fmt.Sprintf("config: default of %s: %v", f.Name, err)) // a test loads every default
		}
		variable, text, err := find(f.Variable, lookup)
		if err == nil {
			err = decode(f.value, text)
		}
		if err != nil {
			p.add(variable, "%s", reason(f.value.Type(), err))
		}
	}
}

// find returns the text of a variable, "" when it is unset, and the name of
// the variable to blame.
func find(v Variable, lookup Lookup) (variable, text string, err error) {
	text = trimmed(lookup, v.Name)
	if !v.Secret {
		return v.Name, text, nil
	}
	path := trimmed(lookup, v.Name+"_FILE")
	switch {
	case path == "":
		return v.Name, text, nil
	case text != "":
		return v.Name, "", fmt.Errorf("and %s_FILE are both set; only one may be", v.Name)
	}
	text, err = readSecret(path)
	return v.Name + "_FILE", text, err
}

func trimmed(lookup Lookup, name string) string {
	value, _ := lookup(name)
	return strings.TrimSpace(value)
}

// maxSecret bounds what is read of a secret's file, which could be a device.
const maxSecret = 64 << 10

// readSecret reads a file as it was mounted, without the newline that editors
// put at its end. A path may be shown, the content never is.
func readSecret(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	switch text := strings.TrimRight(string(content), "\r\n"); {
	case err != nil:
		return "", fmt.Errorf("cannot be read: %w", err)
	case len(content) > maxSecret:
		return "", fmt.Errorf("names a file of more than %d bytes", maxSecret)
	case text == "":
		return "", errors.New("names an empty file")
	default:
		return text, nil
	}
}

// neverSet cannot be the name of a variable, because it is what divides a name
// from its value.
const neverSet = "="

// decode lets envconfig convert one value. It is handed over as the default of
// a variable that nobody can set, in a struct made for the purpose; so envconfig
// does not read the environment itself, and a mistake in one value does not
// keep it from the others. No text leaves the value as it is.
func decode(into reflect.Value, text string) error {
	if text == "" {
		return nil
	}
	tag := reflect.StructTag("envconfig:" + strconv.Quote(neverSet) + " default:" + strconv.Quote(text))
	spec := reflect.New(reflect.StructOf([]reflect.StructField{{Name: "Value", Type: into.Type(), Tag: tag}}))
	if err := envconfig.Process("", spec.Interface()); err != nil {
		return err
	}
	into.Set(spec.Elem().Field(0))
	return nil
}

// reason says what is wrong in words for whoever set the variable. Types of
// ours say it themselves; for the others envconfig's words would repeat the value.
func reason(t reflect.Type, err error) string {
	failure, ok := errors.AsType[*envconfig.ParseError](err)
	switch {
	case !ok:
		return err.Error()
	case t == reflect.TypeFor[time.Duration]():
		return "must be a duration such as 500ms, 30s or 5m"
	case t.Kind() == reflect.Bool:
		return "must be true or false"
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		return "must be a whole number"
	}
	return failure.Err.Error()
}
