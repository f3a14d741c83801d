package handlers

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// form is what a schema asks of a value, as far as it can be seen in the text
// without decoding it. A nil form is one that cannot.
type form struct {
	kind   formKind
	fields []field // of an object that has these and no others
	needed uint64  // a bit for each field that has to be there
	low    int64   // of a whole number
	high   int64
}

type formKind int

const (
	anyValue formKind = iota
	anyString
	anyObject
	wholeNumber
	fixedObject
)

// field is a member of an object.
type field struct {
	name string
	form *form
}

// maxDigits is how many digits a whole number has at most to be read here: those
// beyond are not the same for everybody.
const maxDigits = 15

// formOf finds the form of a schema. Only what is understood whole has one.
func formOf(schemas huma.Registry, s *huma.Schema) *form {
	for s.Ref != "" {
		s = schemas.SchemaFromRef(s.Ref)
	}
	if s.OneOf != nil || s.AnyOf != nil || s.AllOf != nil || s.Not != nil || s.Enum != nil || s.Default != nil || len(s.DependentRequired) > 0 {
		return nil
	}
	switch s.Type {
	case "":
		return &form{kind: anyValue}
	case huma.TypeString:
		if s.MinLength == nil && s.MaxLength == nil && s.Pattern == "" && s.Format == "" && s.ContentEncoding == "" {
			return &form{kind: anyString}
		}
	case huma.TypeInteger:
		if s.Minimum != nil && s.Maximum != nil && s.ExclusiveMinimum == nil && s.ExclusiveMaximum == nil && s.MultipleOf == nil {
			return &form{kind: wholeNumber, low: int64(*s.Minimum), high: int64(*s.Maximum)}
		}
	case huma.TypeObject:
		return objectForm(schemas, s)
	}
	return nil
}

func objectForm(schemas huma.Registry, s *huma.Schema) *form {
	if s.MinProperties != nil || s.MaxProperties != nil {
		return nil
	}
	if more, ok := s.AdditionalProperties.(*huma.Schema); ok && len(s.Properties) == 0 {
		if of := formOf(schemas, more); of != nil && of.kind == anyValue {
			return &form{kind: anyObject}
		}
		return nil
	}
	if more, ok := s.AdditionalProperties.(bool); !ok || more || len(s.Properties) > 64 {
		return nil
	}
	f := &form{kind: fixedObject}
	for name, of := range s.Properties {
		if of.ReadOnly || of.WriteOnly {
			return nil
		}
		if slices.Contains(s.Required, name) {
			f.needed |= 1 << len(f.fields)
		}
		f.fields = append(f.fields, field{name, formOf(schemas, of)})
	}
	return f
}

// fits reports whether a body that passed the door surely has the form. When it
// does not say so, the body may be right all the same.
func (f *form) fits(body []byte) bool {
	c := scanner{text: body}
	c.space()
	return c.fits(f)
}

// fits passes a value by that surely has the form.
func (c *scanner) fits(f *form) bool {
	if f == nil {
		return false
	}
	first := c.text[c.at]
	switch f.kind {
	case anyString:
		if first != '"' {
			return false
		}
	case anyObject:
		if first != '{' {
			return false
		}
	case wholeNumber:
		return c.number(f.low, f.high)
	case fixedObject:
		return first == '{' && c.object(f)
	}
	c.skip()
	return true
}

// object passes an object by whose fields are all known, by their exact names,
// and all there that are needed. No key is there twice: the door has seen to that.
func (c *scanner) object(f *form) bool {
	var there uint64
	c.at++ // {
	for c.space(); c.text[c.at] != '}'; c.space() {
		if c.text[c.at] == ',' {
			c.at++
			c.space()
		}
		name, _ := c.quoted() // one with escapes is no name of a field
		i := slices.IndexFunc(f.fields, func(known field) bool { return known.name == string(name) })
		if i < 0 {
			return false
		}
		c.space()
		c.at++ // :
		c.space()
		if !c.fits(f.fields[i].form) {
			return false
		}
		there |= 1 << i
	}
	c.at++ // }
	return there&f.needed == f.needed
}

// number passes a number by that is written with digits only.
func (c *scanner) number(low, high int64) bool {
	begin := c.at
	c.skip()
	text := c.text[begin:c.at]
	if len(text) > maxDigits || bytes.ContainsFunc(text, func(r rune) bool { return r < '0' || r > '9' }) {
		return false
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	return err == nil && n >= low && n <= high
}

func (c *scanner) space() {
	for c.at < len(c.text) && strings.IndexByte(" \t\r\n", c.text[c.at]) >= 0 {
		c.at++
	}
}

// skip passes a value by, whatever it is.
func (c *scanner) skip() {
	for depth := 0; c.at < len(c.text); {
		switch c.text[c.at] {
		case '"':
			c.quoted()
		case '{', '[':
			depth++
			c.at++
		case '}', ']':
			depth--
			c.at++
		case ',', ':', ' ', '\t', '\r', '\n':
			c.at++
			continue
		default:
			c.word()
		}
		if depth == 0 {
			return
		}
	}
}

// word passes a number, true, false or null by.
func (c *scanner) word() {
	for c.at < len(c.text) && strings.IndexByte(",:]} \t\r\n", c.text[c.at]) < 0 {
		c.at++
	}
}
