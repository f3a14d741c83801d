package handlers

import (
	"log/slog"
	"net/http"
	"strings"
)

// identify finds out who calls. It lets everybody on: authorise refuses.
func (a *API) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callOf(r.Context())
		if a.o.Open {
			c.caller = anybody()
		} else if secret := credential(r); secret != "" {
			c.caller = a.callerOf(r, secret)
		}
		next.ServeHTTP(w, r)
	})
}

// credential is the key or token of a request; "" when there is none, or two
// that differ.
func credential(r *http.Request) string {
	key := r.Header.Get(apiKeyHeader)
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return key
	}
	token = strings.TrimSpace(token)
	if key != "" && key != token {
		return ""
	}
	return token
}

func (a *API) callerOf(r *http.Request, secret string) Caller {
	if caller, ok := find(a.keys, secret); ok {
		return caller
	}
	if strings.Count(secret, ".") != 2 {
		return Caller{}
	}
	caller, err := a.tokens.caller(secret)
	if err != nil {
		a.log.LogAttrs(r.Context(), slog.LevelDebug, "token refused",
			slog.String("request_id", callOf(r.Context()).id), slog.Any("error", err))
		return Caller{}
	}
	return caller
}

// authorise lets a request on whose caller has the scope of its route.
func (a *API) authorise(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callOf(r.Context())
		switch {
		case c.route == nil || c.route.scope == public || c.route.signed && signed(r):
			next.ServeHTTP(w, r)
		case c.caller.Name == "":
			p := problem("unauthorized", "Send an API key, as Authorization: Bearer KEY or X-API-Key: KEY.")
			p.challenge = true
			a.writeProblem(w, r, p)
		case !c.caller.May(c.route.scope):
			a.writeProblem(w, r, problem("forbidden", "The caller needs the scope "+string(c.route.scope)+"."))
		default:
			next.ServeHTTP(w, r)
		}
	})
}
