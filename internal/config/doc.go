// Package config reads the environment, once, into one struct for each binary.
//
//	LoadAPI(os.LookupEnv) ──▶ API      every variable is a field: its tags say
//	LoadWorker            ──▶ Worker   the name, the default and what it means
//	LoadTandem            ──▶ Tandem   (both, with defaults for a newcomer)
//
// Loading reports every mistake at once, as an *Error, and never repeats the
// value of a secret. A variable that is set to nothing counts as unset. Space
// around a value is dropped. Each secret NAME can also be given as NAME_FILE,
// the path of a file that holds it.
//
// Values are decoded by envconfig, one at a time: on its own it would stop at the
// first mistake, print the value, and take an empty variable for a value.
//
// docs/configuration.md has a table of all variables, which a test compares
// with the structs.
package config
