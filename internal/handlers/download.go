package handlers

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"

	"github.com/tandemq/tandem/internal/store"
)

// download serves the file of an artifact, to whoever has a link that was signed
// for its owner, and to callers who may see it.
func (a *API) download(w http.ResponseWriter, r *http.Request) {
	artifact, err := a.entitled(r)
	if err != nil {
		a.writeProblem(w, r, err)
		return
	}
	file, modified, err := a.o.Files.Open(r.Context(), artifact.StorageKey)
	if err != nil {
		a.writeProblem(w, r, fileProblem(err))
		return
	}
	defer file.Close()
	if err := a.record(r, "artifact.download", artifact.ID); err != nil {
		a.writeProblem(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", artifact.ContentType)
	h.Set("Content-Disposition", attachment(artifact.Filename))
	h.Set("Content-Security-Policy", policy+"; sandbox")
	h.Set("Cache-Control", "private, no-store")
	if artifact.SHA256 != "" {
		h.Set("ETag", `"`+artifact.SHA256+`"`)
	}
	http.ServeContent(&rangeAnswer{ResponseWriter: w, api: a, r: r}, r, "", modified, file)
}

// entitled finds the artifact, and says why it cannot be had.
func (a *API) entitled(r *http.Request) (store.Artifact, error) {
	owner, err := a.linkOwner(r)
	if err != nil {
		return store.Artifact{}, err
	}
	ctx, cancel := a.budget(r.Context())
	defer cancel()
	artifact, err := a.o.Artifacts.Get(ctx, param(r, "id"))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return artifact, problem("not-found", "There is no such file.")
	case err != nil:
		return artifact, &databaseError{err}
	case !a.mayFetch(r, owner, artifact):
		return artifact, problem("not-found", "There is no such file.")
	case !artifact.DeletedAt.IsZero() || !a.o.Now().Before(artifact.ExpiresAt):
		return artifact, problem("gone", "The file has expired. Ask for a new one.")
	}
	return artifact, nil
}

// linkOwner is whose link it is; "" when the request has no signature.
func (a *API) linkOwner(r *http.Request) (string, error) {
	if !signed(r) {
		return "", nil
	}
	if a.o.Links == nil {
		return "", problem("forbidden", "The link is not valid.")
	}
	owner, err := a.o.Links(r.Method, r.URL.Path, r.URL.Query(), a.o.Now())
	switch {
	case errors.Is(err, ErrLinkExpired):
		return "", problem("gone", "The link has expired. Ask for a new one.")
	case err != nil:
		return "", problem("forbidden", "The link is not valid.")
	}
	return owner, nil
}

// signed reports whether a request claims to have a signed link.
func signed(r *http.Request) bool { return r.URL.Query().Has("sig") }

func (a *API) mayFetch(r *http.Request, owner string, artifact store.Artifact) bool {
	if signed(r) {
		return owner == artifact.OwnerID
	}
	c := callOf(r.Context()).caller
	return within(c.TenantID, artifact.TenantID) && within(c.UserID, artifact.OwnerID)
}

func fileProblem(err error) error {
	if errors.Is(err, ErrFileMissing) {
		return problem("gone", "The file is not there any more. Ask for a new one.")
	}
	return fmt.Errorf("%w: %w", unavailable("The file cannot be read."), err)
}

// attachment names a file for a browser, which is to store it and not to show
// it: a report is a page, and runs nowhere near this API's origin.
func attachment(filename string) string {
	if text := mime.FormatMediaType("attachment", map[string]string{"filename": filename}); text != "" {
		return text
	}
	return "attachment; filename*=utf-8''" + url.PathEscape(filename)
}

// record writes down who did what. What cannot be recorded is not done. Parts of
// a file are recorded each: a Range header says nothing about what was fetched
// before, and not surely what will be sent.
func (a *API) record(r *http.Request, action, target string) error {
	if a.o.Audit == nil || r.Method == http.MethodHead {
		return nil
	}
	c := callOf(r.Context())
	actor := c.caller.Name
	if actor == "" {
		actor = "link"
	}
	ctx, cancel := a.budget(r.Context())
	defer cancel()
	err := a.o.Audit.Append(ctx, store.AuditEntry{At: a.o.Now(), Actor: actor, Action: action, Target: target, RequestID: c.id})
	if err != nil {
		return &databaseError{fmt.Errorf("audit: %w", err)}
	}
	return nil
}

// rangeAnswer turns the text with which http.ServeContent refuses a range into a
// problem.
type rangeAnswer struct {
	http.ResponseWriter
	api     *API
	r       *http.Request
	refused bool
}

func (w *rangeAnswer) WriteHeader(status int) {
	if status < 400 {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.refused = true
	for _, name := range []string{"Content-Disposition", "ETag", "Content-Length"} {
		w.Header().Del(name)
	}
	p := problemOfStatus(status, "The file has no such part.")
	w.api.writeProblem(w.ResponseWriter, w.r, p)
}

func (w *rangeAnswer) Write(p []byte) (int, error) {
	if w.refused {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController find what this wraps.
func (w *rangeAnswer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
