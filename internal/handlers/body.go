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
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ContentLength = int64(len(body))
		next.ServeHTTP(w, r)
	})
}

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
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
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

// isType compares the media type, whatever its parameters; a charset must be
// the one that JSON has.
func isType(r *http.Request, want string) bool {
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
