package handlers

import (
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2/queryparam"
)

// always is for a route that waits for a job whatever it is asked.
func always(*API, *http.Request) bool { return true }

// whenAsked is for a route that waits for a job if its query says so.
func whenAsked(a *API, r *http.Request) bool {
	wait, err := parseWait(queryparam.Get(r.URL.RawQuery, "wait"), a.o.MaxWait) // as huma reads it
	return err == nil && wait > 0
}

// share bounds how many jobs one caller waits for at a time, so that the places
// of those that wait are never all taken by one.
func (a *API) share(next http.Handler) http.Handler {
	taken := shares{most: a.o.MaxStreamsEach, of: map[string]int{}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callOf(r.Context())
		if !c.waits {
			next.ServeHTTP(w, r)
			return
		}
		who := a.counted(c)
		if !taken.take(who) {
			p := problem("rate-limited", "This caller waits for as many jobs as it may at a time.")
			p.retryAfter = 1
			a.writeProblem(w, r, p)
			return
		}
		defer taken.give(who)
		next.ServeHTTP(w, r)
	})
}

// shares are the places that each of many has taken.
type shares struct {
	most int // for each

	mu sync.Mutex
	of map[string]int // those who have none are not in it
}

func (s *shares) take(who string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[who] >= s.most {
		return false
	}
	s.of[who]++
	return true
}

func (s *shares) give(who string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[who]--; s.of[who] == 0 {
		delete(s.of, who)
	}
}
