package handlers

import (
	"net/http"
	"strconv"

	"github.com/go-chi/httprate"
)

// limiter counts requests; nil lets all through.
type limiter struct{ *httprate.RateLimiter }

func newLimiter(rate Rate) *limiter {
	if rate.Count <= 0 {
		return nil
	}
	// As net/http writes them: others are changed into that each time.
	headers := httprate.WithResponseHeaders(httprate.ResponseHeaders{
		Limit: "X-Ratelimit-Limit", Remaining: "X-Ratelimit-Remaining", Increment: "X-Ratelimit-Increment",
		Reset: "X-Ratelimit-Reset", RetryAfter: "Retry-After",
	})
	return &limiter{httprate.NewRateLimiter(rate.Count, rate.Per, headers)}
}

// limit bounds how often one caller asks, or one address as long as no caller is
// known. Accounts have a stricter bound, always by address: each attempt costs a
// password hash or guesses a token.
func (a *API) limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callOf(r.Context())
		limiter, key := a.callers, a.counted(c)
		switch {
		case c.route != nil && c.route.quiet:
			limiter = nil
		case c.route != nil && c.route.accounts:
			limiter, key = a.accounts, addressOf(c)
		}
		if limiter == nil || !limiter.OnLimit(w, r, key) {
			next.ServeHTTP(w, r)
			return
		}
		p := problem("rate-limited", "Too many requests came from this caller.")
		p.retryAfter = retryAfter(w.Header())
		a.writeProblem(w, r, p)
	})
}

// counted is whose requests are counted together: a caller's, or those of an
// address as long as no caller is known.
func (a *API) counted(c *call) string {
	if c.caller.Name == "" || a.o.Open {
		return addressOf(c)
	}
	return "caller " + c.caller.identity()
}

// addressOf is where a request came from, as far as one subscriber has it: of
// IPv6 whole networks of 64 bits are given out.
func addressOf(c *call) string { return "address " + httprate.CanonicalizeIP(c.client) }

// retryAfter is what the limiter said, and at least a second.
func retryAfter(h http.Header) int {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil {
		return 1
	}
	return max(1, seconds)
}
