package email_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tandemq/tandem/internal/email"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file under testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

var brand = email.Brand{
	Name:    "Northwind",
	URL:     "https://northwind.example.com",
	Contact: "Northwind Ltd, 1 Harbour Street, Bristol",
}

func newRenderer(t *testing.T, b email.Brand) *email.Renderer {
	t.Helper()
	r, err := email.NewRenderer(b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEveryTemplateRendersWithAllItsFields(t *testing.T) {
	r := newRenderer(t, brand)
	for _, template := range email.Templates() {
		t.Run(template.Name, func(t *testing.T) {
			checkGolden(t, r, template.Name, template.Example())
		})
	}
}

func TestEveryTemplateRendersWithItsRequiredFieldsOnly(t *testing.T) {
	r := newRenderer(t, email.Brand{})
	for _, template := range email.Templates() {
		t.Run(template.Name, func(t *testing.T) {
			checkGolden(t, r, template.Name+"-least", least(template))
		})
	}
}

// least is a payload with the fields that cannot be left out. The example came
// from Go; it goes through JSON here, as a stored job's data does.
func least(template email.Template) email.Payload {
	p := template.Example()
	for _, f := range template.Fields {
		if !f.Required {
			delete(p.Data, f.Name)
		}
	}
	if template.Name == "newsletter" {
		p.Data["intro"] = "One paragraph."
	}
	return throughJSON(p)
}

func throughJSON(p email.Payload) email.Payload {
	encoded, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	var decoded email.Payload
	if err := json.Unmarshal(encoded, &decoded); err != nil {
		panic(err)
	}
	return decoded
}

func checkGolden(t *testing.T, r *email.Renderer, name string, p email.Payload) {
	t.Helper()
	mail, err := r.Render(throughJSON(p))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, name+".txt", "Subject: "+mail.Subject+"\n\n"+mail.Text)
	golden(t, name+".html", mail.HTML)
}
