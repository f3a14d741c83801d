package email

import (
	"strings"

	"github.com/tandemq/tandem/internal/jobs"
)

// Validate says what is wrong with a payload before it is queued, as a
// jobs.ErrInvalid that names the field: "template", "to", "subject", "data.name",
// "data.items[2].title". Fields of Data that the template does not read are
// passed over.
func Validate(p Payload) error {
	_, err := read(p)
	return err
}

// letter is a payload that was found good, in the forms that templates and
// headers use.
type letter struct {
	template Template
	to       string
	subject  string // empty is the template's own
	data     map[string]any
}

func read(p Payload) (letter, error) {
	template, err := find(p.Template)
	if err != nil {
		return letter{}, err
	}
	to, err := ParseAddress("to", p.To)
	if err != nil {
		return letter{}, err
	}
	if err := checkLine("subject", p.Subject, maxSubject); err != nil {
		return letter{}, err
	}
	data, err := readFields("data.", template.Fields, p.Data)
	if err != nil {
		return letter{}, err
	}
	l := letter{template: template, to: to, subject: strings.TrimSpace(p.Subject), data: data}
	return l, l.checkTogether()
}

// checkTogether holds the rules between fields.
func (l letter) checkTogether() error {
	if l.template.Name == "newsletter" && l.data["intro"] == nil && l.data["items"] == nil {
		return jobs.Invalid("data.items", "is required when there is no intro")
	}
	if l.oneClick() && !strings.HasPrefix(l.unsubscribeURL(), "https://") {
		return jobs.Invalid("data.unsubscribeUrl", "must be https when unsubscribeOneClick is set")
	}
	return nil
}

func (l letter) unsubscribeURL() string {
	link, _ := l.data["unsubscribeUrl"].(string)
	return link
}

func (l letter) oneClick() bool {
	flag, _ := l.data["unsubscribeOneClick"].(bool)
	return flag
}
