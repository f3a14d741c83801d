package handlers

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/tandemq/tandem/internal/jobs"
)

// origin is what travels with a job about the request that asked for it. It is
// stored as W3C baggage in the job's trace carrier, where every client of the
// queue passes it on and none acts on it.
type origin struct {
	RequestID string
	Caller    string
	TenantID  string
	UserID    string
}

// names of the baggage members.
const (
	baggageRequest = "tandem.request"
	baggageCaller  = "tandem.caller"
	baggageTenant  = "tandem.tenant"
	baggageUser    = "tandem.user"
)

// carrier is the trace carrier of the jobs of a request, as JSON.
func (a *API) carrier(ctx context.Context) string {
	c := callOf(ctx)
	carrier := map[string]string{}
	if c.traceText != "" {
		carrier["traceparent"] = c.traceText
	}
	if a.o.Inject != nil {
		a.o.Inject(ctx, carrier)
	}
	carrier["baggage"] = origin{c.id, c.caller.Name, c.caller.TenantID, c.caller.UserID}.baggage()
	// A map of strings has nothing that could fail to encode.
	text, _ := json.Marshal(carrier)
	return string(text)
}

func (o origin) baggage() string {
	var members []string
	for _, m := range [][2]string{{baggageRequest, o.RequestID}, {baggageCaller, o.Caller}, {baggageTenant, o.TenantID}, {baggageUser, o.UserID}} {
		if m[1] != "" {
			members = append(members, m[0]+"="+url.QueryEscape(m[1]))
		}
	}
	return strings.Join(members, ",")
}

// originOf reads what carrier wrote; of a job from elsewhere nothing is known.
func originOf(trace string) origin {
	var carrier map[string]any
	if json.Unmarshal([]byte(trace), &carrier) != nil {
		return origin{}
	}
	text, _ := carrier["baggage"].(string)
	values := map[string]string{}
	for member := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(member, "=")
		if plain, err := url.QueryUnescape(value); err == nil {
			values[name] = plain
		}
	}
	return origin{values[baggageRequest], values[baggageCaller], values[baggageTenant], values[baggageUser]}
}

// sees reports whether a job may be shown to a caller: one who is bound sees
// what they or their fellows asked for, and what is about their tenant or user.
func (c Caller) sees(job *jobs.Job) bool {
	if !c.bound() {
		return true
	}
	var about struct {
		TenantID string `json:"tenantId"`
		UserID   string `json:"userId"`
	}
	// Data of another form says nothing about an owner.
	_ = json.Unmarshal(job.Data, &about)
	from := originOf(job.Trace)
	return within(c.TenantID, from.TenantID, about.TenantID) && within(c.UserID, from.UserID, about.UserID)
}

// within reports whether a bound is met by one of the values; "" binds nothing.
func within(bound string, values ...string) bool {
	if bound == "" {
		return true
	}
	for _, v := range values {
		if v == bound {
			return true
		}
	}
	return false
}
