package handlers

import (
	"context"
	"encoding/json"

	"github.com/tandemq/tandem/internal/jobs"
	"github.com/tandemq/tandem/internal/origin"
)

// carrier is the trace carrier of the jobs of a request, as JSON.
func (a *API) carrier(ctx context.Context) string {
	c := callOf(ctx)
	baggage := origin.Origin{
		RequestID: c.id, Caller: c.caller.Name, TenantID: c.caller.TenantID, UserID: c.caller.UserID,
	}.Baggage()
	if a.o.Inject == nil {
		return carrierText(struct {
			Baggage     string `json:"baggage"`
			Traceparent string `json:"traceparent,omitempty"`
		}{baggage, c.traceText})
	}
	carrier := map[string]string{}
	if c.traceText != "" {
		carrier["traceparent"] = c.traceText
	}
	a.o.Inject(ctx, carrier)
	carrier["baggage"] = baggage
	return carrierText(carrier)
}

// carrierText takes what holds texts only, so that nothing can fail to encode.
func carrierText(carrier any) string {
	text, _ := json.Marshal(carrier)
	return string(text)
}

// sees reports whether a job may be shown to a caller: one who is bound sees
// what they or their fellows asked for, and what is about their tenant or user.
func (c Caller) sees(job *jobs.Job) bool {
	if !c.bound() {
		return true
	}
	about, from := origin.About(job.Data), origin.Of(job.Trace)
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
