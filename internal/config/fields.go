package config

import (
	"fmt"
	"reflect"
)

// Variable is one variable that a binary reads.
type Variable struct {
	Name    string
	Default string // as one would write it in the environment
	Doc     string // what it means, with its unit
	Part    string // the part of the configuration it belongs to
	Secret  bool   // NAME_FILE works too
}

// APIVariables, WorkerVariables and TandemVariables list what each binary
// reads, in the order of its struct.
func APIVariables() []Variable { return variables(&API{}) }

// WorkerVariables: see APIVariables.
func WorkerVariables() []Variable { return variables(&Worker{}) }

// TandemVariables: see APIVariables. What both services read is listed once.
func TandemVariables() []Variable {
	seen := map[string]bool{}
	var all []Variable
	for _, v := range variables(&Tandem{}) {
		if seen[v.Name] {
			continue
		}
		seen[v.Name] = true
		if standard, ok := tandemDefaults()[v.Name]; ok {
			v.Default = standard
		}
		all = append(all, v)
	}
	return all
}

func variables(spec any) []Variable {
	var all []Variable
	for _, f := range fieldsOf(spec) {
		all = append(all, f.Variable)
	}
	return all
}

// field is a variable and the place of its value.
type field struct {
	Variable
	value reflect.Value
}

// fieldsOf finds the variables of the struct that spec points to, in the
// structs inside it too.
func fieldsOf(spec any) []field { return walk(reflect.ValueOf(spec).Elem(), "") }

func walk(v reflect.Value, part string) []field {
	var all []field
	for i := range v.NumField() {
		tag, value := v.Type().Field(i).Tag, v.Field(i)
		name := tag.Get("envconfig")
		switch {
		case name != "":
			all = append(all, field{value: value, Variable: Variable{
				Name: name, Default: tag.Get("default"), Doc: tag.Get("doc"), Part: part, Secret: isSecret(value.Type()),
			}})
		case value.Kind() == reflect.Struct:
			all = append(all, walk(value, firstOf(tag.Get("part"), part))...)
		}
	}
	return all
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

func isSecret(t reflect.Type) bool {
	return t == reflect.TypeFor[Secret]() || t == reflect.TypeFor[SecretURL]()
}

// settings are the values of all variables as they may be shown.
func settings(spec any) []setting {
	var all []setting
	for _, f := range fieldsOf(spec) {
		all = append(all, setting{f.Name, shown(f.value)})
	}
	return all
}

type setting struct{ name, value string }

// shown prints a value. Secrets print themselves as what may be shown.
func shown(v reflect.Value) string { return fmt.Sprint(v.Interface()) }
