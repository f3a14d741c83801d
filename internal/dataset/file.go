package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// An operator's file, whose datasets all read the operator's database:
//
//	default: orders            # what a query without "dataset" reads
//	datasets:
//	  - name: orders
//	    title: Orders
//	    select: |
//	      SELECT id, shop_id, customer_id, amount, placed_at FROM orders
//	    tenant: shop_id        # or none: tenants share all rows
//	    owner: customer_id     # or none: only keys with exports:all may read it
//	    order: [-placedAt, id]
//	    columns:
//	      - {name: id, type: integer}
//	      - {name: amount, type: number}
//	      - {name: placedAt, from: placed_at, type: timestamp, stored: ms, label: Placed}
type fileText struct {
	Default  string        `yaml:"default"`
	Datasets []datasetText `yaml:"datasets"`
	Reports  any           `yaml:"reports"` // package report reads them
}

type datasetText struct {
	Name    string       `yaml:"name"`
	Title   string       `yaml:"title"`
	Select  string       `yaml:"select"`
	Tenant  string       `yaml:"tenant"`
	Owner   string       `yaml:"owner"`
	Order   []string     `yaml:"order"`
	Columns []columnText `yaml:"columns"`
}

type columnText struct {
	Name   string `yaml:"name"`
	From   string `yaml:"from"`
	Type   Type   `yaml:"type"`
	Label  string `yaml:"label"`
	Stored Stored `yaml:"stored"`
}

// Load makes the catalogue of a deployment: the built-in datasets, and those
// of the operator's file when path is not empty.
func Load(path string) (*Catalogue, error) {
	if path == "" {
		return New("", Builtin()...)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open datasets: %w", err)
	}
	defer file.Close()
	catalogue, err := Parse(file)
	if err != nil {
		return nil, fmt.Errorf("datasets in %s: %w", path, err)
	}
	return catalogue, nil
}

// maxFile bounds an operator's file, in bytes.
const maxFile = 1 << 20

// Parse reads an operator's file and adds its datasets to the built-in ones.
// Unknown keys are refused, and the error lists every mistake in the file.
func Parse(r io.Reader) (*Catalogue, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxFile {
		return nil, fmt.Errorf("the file is larger than %d bytes", maxFile)
	}
	text, err := decode(content)
	if wrong, ok := errors.AsType[*yaml.TypeError](err); ok {
		err = errors.New(strings.Join(wrong.Errors, "\n"))
	} else if err != nil {
		return nil, err
	}
	own, mistakes := text.datasets()
	catalogue, bad := New(text.Default, own...)
	if bad := errors.Join(err, mistakes, bad); bad != nil {
		return nil, bad
	}
	return catalogue, nil
}

// decode is strict: an unknown key is a misspelt one. A yaml.TypeError leaves
// what could be read, so that the other mistakes are found as well.
func decode(content []byte) (*fileText, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	var text fileText
	err := decoder.Decode(&text)
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty")
	}
	if err == nil && !errors.Is(decoder.Decode(new(any)), io.EOF) {
		return nil, errors.New("the file has more than one document")
	}
	return &text, err
}

// datasets puts the operator's own first, so that a mistake is counted from
// the first one of the file.
func (f *fileText) datasets() ([]Dataset, error) {
	var errs []error
	sets := make([]Dataset, 0, len(f.Datasets))
	builtin := Builtin()
	for i, text := range f.Datasets {
		for _, b := range builtin {
			if b.Name == text.Name {
				errs = append(errs, fmt.Errorf("datasets[%d].name: %q is built in", i, text.Name))
			}
		}
		sets = append(sets, text.dataset())
	}
	for _, b := range builtin {
		if !named(sets, b.Name) {
			sets = append(sets, b)
		}
	}
	return sets, errors.Join(errs...)
}

func named(sets []Dataset, name string) bool {
	for i := range sets {
		if sets[i].Name == name {
			return true
		}
	}
	return false
}

func (t *datasetText) dataset() Dataset {
	d := Dataset{
		Name: t.Name, Title: t.Title, Operators: true, Select: t.Select,
		Tenant: t.Tenant, Owner: t.Owner,
	}
	for _, key := range t.Order {
		d.Order = append(d.Order, parseOrder(key))
	}
	for _, c := range t.Columns {
		d.Columns = append(d.Columns, Column(c))
	}
	return d
}

// parseOrder reads "amount" or, for descending, "-amount".
func parseOrder(key string) Order {
	name, desc := strings.CutPrefix(key, "-")
	return Order{Column: name, Desc: desc}
}
