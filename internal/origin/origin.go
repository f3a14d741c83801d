// Package origin is what travels with a job about the request that asked for it:
// written by the API, read by the worker for its logs, its history and the
// tenant that a job belongs to.
//
// It is stored as W3C baggage in the job's trace carrier, where every client of
// the queue passes it on and none acts on it:
//
//	{"traceparent":"00-…","baggage":"tandem.request=R1,tandem.tenant=acme"}
package origin

import (
	"encoding/json"
	"net/url"
	"strings"
)

// Origin is where a job came from. What is not known is empty.
type Origin struct {
	RequestID string
	Caller    string
	TenantID  string
	UserID    string
}

// names of the baggage members.
const (
	memberRequest = "tandem.request"
	memberCaller  = "tandem.caller"
	memberTenant  = "tandem.tenant"
	memberUser    = "tandem.user"
)

// Baggage is the origin as the value of a baggage header.
func (o Origin) Baggage() string {
	var members []string
	for _, m := range [][2]string{
		{memberRequest, o.RequestID}, {memberCaller, o.Caller}, {memberTenant, o.TenantID}, {memberUser, o.UserID},
	} {
		if m[1] != "" {
			members = append(members, m[0]+"="+url.QueryEscape(m[1]))
		}
	}
	return strings.Join(members, ",")
}

// Of reads the origin from a job's trace carrier. Of a job that came another way
// nothing is known.
func Of(trace string) Origin {
	var carrier map[string]any
	if json.Unmarshal([]byte(trace), &carrier) != nil {
		return Origin{}
	}
	text, _ := carrier["baggage"].(string)
	values := map[string]string{}
	for member := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(member, "=")
		if plain, err := url.QueryUnescape(value); err == nil {
			values[name] = plain
		}
	}
	return Origin{values[memberRequest], values[memberCaller], values[memberTenant], values[memberUser]}
}
