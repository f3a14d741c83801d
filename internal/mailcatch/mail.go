package mailcatch

import (
	"net/mail"
	"time"
)

// Mail is one message as it came, and what could be read of it. It does not
// change after it was received.
type Mail struct {
	ID         int       // counts from 1
	ReceivedAt time.Time // UTC
	From       string    // the envelope's sender; empty for a bounce
	To         []string  // the envelope's recipients
	User       string    // who signed in, if anyone
	TLS        bool      // whether the connection was encrypted

	Subject     string      // decoded
	Header      mail.Header // as sent, values still encoded
	Text        string      // the first text/plain part, decoded to UTF-8
	HTML        string      // the first text/html part, decoded to UTF-8
	Attachments []Attachment
	Links       []string // the http and https addresses in it, each once, in order

	// Problem says what could not be understood of the message; empty if all was.
	Problem string
	Size    int    // of Raw
	Raw     []byte // the whole message as received
}

// Attachment is a part that is not the mail's text.
type Attachment struct {
	Filename    string
	ContentType string
	Content     []byte
}
