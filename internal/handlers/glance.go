package handlers

import "bytes"

// maxGlanceKeys is how many keys of open objects are compared one by one.
const maxGlanceKeys = 64

// maxGlanceNumber is how many bytes of a number are in range whatever they are,
// unless it has an exponent.
const maxGlanceNumber = 300

// glance reports whether valid JSON surely passes the door, which it finds out
// without an allocation. Nearly every body is of that kind. Of what it is not sure, such
// as keys with escapes, numbers with exponents and large objects, the door has a
// closer look, and the words for what is wrong.
func glance(body []byte) bool {
	p := glancer{scanner: scanner{text: body}}
	return p.walk()
}

// scanner is a place in valid JSON that is looked through from left to right.
type scanner struct {
	text []byte
	at   int
}

// glancer is a scanner that knows which objects and arrays it is in.
type glancer struct {
	scanner

	keys   [maxGlanceKeys][]byte // of the open objects, the outermost first
	known  int                   // how many of them are in use
	opened [maxDepth]level
	depth  int
}

// level is an object or array that is open.
type level struct {
	object bool
	first  int // where its keys begin
}

func (p *glancer) walk() bool {
	for p.at < len(p.text) {
		ok := true
		switch b := p.text[p.at]; {
		case b == '{' || b == '[':
			ok = p.open(b == '{')
		case b == '}' || b == ']':
			p.close()
		case b == '"':
			ok = p.str()
		case b == '-' || b >= '0' && b <= '9':
			ok = p.number()
		default:
			p.at++ // space, comma, colon, or a letter of true, false and null
		}
		if !ok {
			return false
		}
	}
	return true
}

func (p *glancer) open(object bool) bool {
	if p.depth == maxDepth {
		return false
	}
	p.opened[p.depth] = level{object, p.known}
	p.depth++
	p.at++
	return true
}

func (p *glancer) close() {
	p.depth--
	p.known = p.opened[p.depth].first
	p.at++
}

// str passes a string by, and is told that it is a key by the colon behind it.
func (p *glancer) str() bool {
	text, escaped := p.quoted()
	if !p.isKey() {
		return true
	}
	return !escaped && p.add(text)
}

// quoted is the inside of the string that begins here.
func (p *scanner) quoted() (text []byte, escaped bool) {
	begin := p.at + 1
	for p.at = begin; p.text[p.at] != '"'; p.at++ {
		if p.text[p.at] == '\\' {
			escaped = true
			p.at++
		}
	}
	p.at++
	return p.text[begin : p.at-1], escaped
}

func (p *glancer) isKey() bool {
	if p.depth == 0 || !p.opened[p.depth-1].object {
		return false
	}
	rest := bytes.TrimLeft(p.text[p.at:], " \t\r\n")
	return len(rest) > 0 && rest[0] == ':'
}

// add notes a key of the innermost object, unless it has it already.
func (p *glancer) add(key []byte) bool {
	for _, other := range p.keys[p.opened[p.depth-1].first:p.known] {
		if bytes.Equal(other, key) {
			return false
		}
	}
	if p.known == maxGlanceKeys {
		return false
	}
	p.keys[p.known] = key
	p.known++
	return true
}

func (p *glancer) number() bool {
	begin := p.at
	for ; p.at < len(p.text); p.at++ {
		switch b := p.text[p.at]; {
		case b == 'e' || b == 'E':
			return false
		case b != '-' && b != '.' && (b < '0' || b > '9'):
			return p.at-begin <= maxGlanceNumber
		}
	}
	return p.at-begin <= maxGlanceNumber
}
