package handlers

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
)

// read takes the body in, and refuses what is too large, of another type, or
// not JSON as this API reads it. From here on it is in memory.
func (a *API) read(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callOf(r.Context())
		if c.route == nil || c.route.body == noBody {
			next.ServeHTTP(w, r)
			return
		}
		body, err := a.readBody(w, r, c.route)
		if err != nil {
			a.writeProblem(w, r, err)
			return
		}
		c.body = body
		r.Body = &memory{*bytes.NewReader(body)}
		r.ContentLength = int64(len(body))
		next.ServeHTTP(w, r)
	})
}

// memory is a body that was read.
type memory struct{ bytes.Reader }

// Close implements io.Closer.
func (*memory) Close() error { return nil }

func (a *API) readBody(w http.ResponseWriter, r *http.Request, route *route) ([]byte, error) {
	limit := a.o.BodyLimit
	if route.body == bulkBody {
		limit = a.o.BulkBodyLimit
	}
	form := route.body == formBody && isType(r, "application/x-www-form-urlencoded")
	if !form && !isType(r, "application/json") {
		return nil, problem("unsupported-media-type", "The Content-Type must be application/json.")
	}
	if r.Header.Get("Content-Encoding") != "" {
		return nil, problem("unsupported-media-type", "A body with a Content-Encoding is not read.")
	}
	if r.ContentLength > limit {
		return nil, problem("too-large", "The body is over its limit.")
	}
	body, err := readAll(http.MaxBytesReader(w, r.Body, limit), r.ContentLength)
	if err != nil {
		return nil, bodyProblem(err)
	}
	if form {
		return body, nil
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, problem("malformed", "The body is empty.")
	}
	if err := checkJSON(body); err != nil {
		return nil, problem("malformed", sentence(err))
	}
	return body, nil
}

// readAll reads a body. One whose length was told, and is small, is read into
// just that much; nobody is believed who tells of much.
func readAll(body io.Reader, length int64) ([]byte, error) {
	if length <= 0 || length > 64<<10 {
		return io.ReadAll(body)
	}
	text := make([]byte, length)
	n, err := io.ReadFull(body, text)
	return text[:n], err
}

// isType compares the media type, whatever its parameters; a charset must be
// the one that JSON has.
func isType(r *http.Request, want string) bool {
	if r.Header.Get("Content-Type") == want { // as nearly everybody writes it
		return true
	}
	got, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := parameters["charset"]
	return err == nil && got == want && (charset == "" || strings.EqualFold(charset, "utf-8"))
}

func bodyProblem(err error) error {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return problem("too-large", "The body is over its limit.")
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return problem("timeout", "The body did not arrive in time.")
	}
	return problem("malformed", "The body could not be read.")
}

// sentence is an error as a problem's detail.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
