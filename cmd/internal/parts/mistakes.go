package parts

import (
	"errors"
	"strings"

	"github.com/tandemq/tandem/internal/config"
	"github.com/tandemq/tandem/internal/dataset"
	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/jobs/redisconn"
	"github.com/tandemq/tandem/internal/report"
	"github.com/tandemq/tandem/internal/storage"
	"github.com/tandemq/tandem/internal/store"
)

// Mistakes are values of variables that the room they are for cannot read. They
// are found before anything is opened, so that all are told at once.
type Mistakes []config.Problem

// Add adds the mistake in a variable; a nil error is none.
func (m *Mistakes) Add(variable string, err error) {
	if err == nil {
		return
	}
	reason := "is wrong: " + strings.ReplaceAll(err.Error(), "\n", "; ")
	if invalid, ok := errors.AsType[*jobs.ValidationError](err); ok {
		reason = invalid.Reason // of a field of another name
	}
	*m = append(*m, config.Problem{Variable: variable, Reason: reason})
}

// MistakesInParts are those in what both services stand on.
func MistakesInParts(r config.Redis, d config.Database, f config.Files, sets config.Datasets) (m Mistakes) {
	if r.URL.IsSet() {
		m.Add("REDIS_URL", redisconn.CheckURL(r.URL.Reveal()))
	}
	if d.URL.IsSet() {
		m.Add("DATABASE_URL", store.CheckURL(d.URL.Reveal()))
	}
	m.Add("STORAGE_URL", storage.CheckURL(f.StorageURL.Reveal()))
	m.Add("DATASETS_FILE", checkDatasets(sets.File))
	if sets.DatabaseURL.IsSet() {
		m.Add("DATASETS_DATABASE_URL", store.CheckURL(sets.DatabaseURL.Reveal()))
	}
	return m
}

func checkDatasets(path string) error {
	if _, err := dataset.Load(path); err != nil {
		return err
	}
	definitions, err := report.LoadDefinitions(path)
	if err != nil {
		return err
	}
	_, err = report.NewCatalogue(definitions...)
	return err
}
