package mailcatch

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
)

// Bounds on what is taken apart; a message beyond them is still kept whole.
const (
	maxDepth = 8
	maxParts = 100
)

// parse reads what it can of a message. A message that it cannot read is not an
// error: showing the odd ones is what a catcher is for.
func parse(raw []byte) *Mail {
	m := &Mail{Raw: raw, Size: len(raw), Header: mail.Header{}}
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		m.Problem = err.Error()
		return m
	}
	m.Header = msg.Header
	m.Subject = decodeHeader(msg.Header.Get("Subject"))
	p := &parser{mail: m}
	if err := p.entity(textproto.MIMEHeader(msg.Header), msg.Body, 0); err != nil {
		m.Problem = err.Error()
	}
	m.Links = links(m.Text, m.HTML)
	return m
}

// parser walks the parts of one message.
type parser struct {
	mail  *Mail
	parts int
}

func (p *parser) entity(h textproto.MIMEHeader, body io.Reader, depth int) error {
	if p.parts++; p.parts > maxParts {
		return fmt.Errorf("more than %d parts", maxParts)
	}
	kind, params := contentType(h)
	if strings.HasPrefix(kind, "multipart/") {
		return p.multipart(multipart.NewReader(body, params["boundary"]), depth)
	}
	content, err := io.ReadAll(decodeTransfer(h.Get("Content-Transfer-Encoding"), body))
	p.leaf(h, kind, params, content)
	return err
}

func (p *parser) multipart(parts *multipart.Reader, depth int) error {
	if depth >= maxDepth {
		return fmt.Errorf("parts nested deeper than %d", maxDepth)
	}
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := p.entity(part.Header, part, depth+1); err != nil {
			return err
		}
	}
}

// leaf files one part: the first of each kind of text is the mail's text.
func (p *parser) leaf(h textproto.MIMEHeader, kind string, params map[string]string, content []byte) {
	disposition, dispositionParams, _ := mime.ParseMediaType(h.Get("Content-Disposition"))
	switch {
	case disposition != "attachment" && kind == "text/plain" && p.mail.Text == "":
		p.mail.Text = toUTF8(content, params["charset"])
	case disposition != "attachment" && kind == "text/html" && p.mail.HTML == "":
		p.mail.HTML = toUTF8(content, params["charset"])
	default:
		name := dispositionParams["filename"]
		if name == "" {
			name = params["name"]
		}
		p.mail.Attachments = append(p.mail.Attachments,
			Attachment{Filename: decodeHeader(name), ContentType: kind, Content: content})
	}
}

// contentType is text/plain when the header says nothing that makes sense, as
// RFC 2045 wants it.
func contentType(h textproto.MIMEHeader) (string, map[string]string) {
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return "text/plain", map[string]string{}
	}
	return kind, params
}

func decodeTransfer(encoding string, body io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		return quotedprintable.NewReader(body)
	default:
		return body
	}
}

// toUTF8 reads the two charsets that a development machine sends, and makes of
// any other what can be shown.
func toUTF8(content []byte, charset string) string {
	if strings.EqualFold(charset, "iso-8859-1") {
		runes := make([]rune, len(content))
		for i, b := range content {
			runes[i] = rune(b)
		}
		return string(runes)
	}
	return strings.ToValidUTF8(string(content), "�")
}

// decodeHeader undoes encoded words; what is not one, or is broken, stays.
func decodeHeader(value string) string {
	decoded, err := new(mime.WordDecoder).DecodeHeader(value)
	if err != nil {
		return strings.ToValidUTF8(value, "�")
	}
	return decoded
}
