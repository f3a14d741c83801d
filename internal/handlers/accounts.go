package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/users"
)

// RegisterRequest is what somebody signs up with.
type RegisterRequest struct {
	Name     string `json:"name" example:"Ada Lovelace"`
	Email    string `json:"email" example:"ada@example.com"`
	Password string `json:"password" doc:"8 to 128 characters, and none of the common ones." example:"correct horse battery"`
}

// Account answers with the account.
type Account struct {
	User users.User `json:"user"`
}

type accountOutput struct{ Body Account }

// register answers alike whether or not the address is known; see package users.
func (a *API) register(ctx context.Context, in *struct {
	AddHeaders
	Body RegisterRequest
}) (*accountOutput, error) {
	user, err := a.o.Accounts.Register(ctx, users.Registration(in.Body))
	if err != nil {
		return nil, accountProblem(err)
	}
	return &accountOutput{Account{user}}, nil
}

// accountProblem tells what a user did from what the database did not.
func accountProblem(err error) error {
	switch {
	case errors.Is(err, jobs.ErrInvalid):
		return err
	case errors.Is(err, users.ErrTokenMalformed):
		return problem("malformed", "The link is not complete, or not known.")
	case errors.Is(err, users.ErrTokenExpired):
		return problem("gone", "The link has expired. Sign up again to get a new one.")
	case errors.Is(err, users.ErrTokenUsed):
		return problem("gone", "The link was used before.")
	}
	return &databaseError{err}
}

// askVerify shows a page with one button. Following a link changes nothing:
// programs that look at mails before their reader do that too.
func (a *API) askVerify(w http.ResponseWriter, r *http.Request) {
	token := r.URL.Query().Get("token")
	if err := a.o.Accounts.Peek(r.Context(), token); err != nil {
		a.refuseVerify(w, r, accountProblem(err))
		return
	}
	a.page(w, http.StatusOK, verifyPage{Title: "Confirm your address", Text: "One click, and your account is ready.", Token: token})
}

// verify uses the token, from the page's form or from JSON.
func (a *API) verify(w http.ResponseWriter, r *http.Request) {
	token, err := tokenOf(r)
	if err != nil {
		a.writeProblem(w, r, err)
		return
	}
	user, err := a.o.Accounts.Consume(r.Context(), token)
	if err != nil {
		a.refuseVerify(w, r, accountProblem(err))
		return
	}
	if wantsPage(r) {
		a.page(w, http.StatusOK, verifyPage{Title: "Address confirmed", Text: "Thank you. Your account is ready."})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// The header is out; a client that has gone is all that can go wrong.
	_ = json.NewEncoder(w).Encode(Account{user})
}

func tokenOf(r *http.Request) (string, error) {
	body := callOf(r.Context()).body
	if !isType(r, "application/json") {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return "", problem("malformed", "The form cannot be read.")
		}
		return form.Get("token"), nil
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	var sent struct {
		Token string `json:"token"`
	}
	if err := decoder.Decode(&sent); err != nil {
		return "", problem("invalid", "The body must be {\"token\": …}.", FieldError{"token", "expected the text after token= in the link"})
	}
	return sent.Token, nil
}

func wantsPage(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

// refuseVerify answers a person with a page and a program with a problem.
func (a *API) refuseVerify(w http.ResponseWriter, r *http.Request, err error) {
	if !wantsPage(r) {
		a.writeProblem(w, r, err)
		return
	}
	p := a.fail(r.Context(), err)
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	a.page(w, p.Status, verifyPage{Title: "This did not work", Text: p.Detail})
}

type verifyPage struct{ Title, Text, Token string }

func (a *API) page(w http.ResponseWriter, status int, content verifyPage) {
	var text bytes.Buffer
	if err := a.verifyPage.Execute(&text, content); err != nil {
		panic(err) // a mistake in the page; the outermost layer answers
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", pagePolicy)
	w.WriteHeader(status)
	// The header is out; a client that has gone is all that can go wrong.
	_, _ = w.Write(text.Bytes())
}
