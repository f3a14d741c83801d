package handlers

import (
	"fmt"
	"slices"

	"github.com/tandemq/tandem/internal/jobs"
)

// Scope is something that a caller may do.
type Scope string

// The scopes.
const (
	WriteJobs  Scope = "jobs:write"  // add jobs
	ReadJobs   Scope = "jobs:read"   // look at jobs and fetch their files
	ReadQueues Scope = "queues:read" // look at queues, and so at everybody's jobs
	AllExports Scope = "exports:all" // export rows of every user
)

// public is the scope of a route that everybody may call.
const public Scope = ""

// Scopes lists them.
func Scopes() []Scope { return []Scope{WriteJobs, ReadJobs, ReadQueues, AllExports} }

// Caller is who sent a request.
type Caller struct {
	Name   string // of the key, or the subject of the token
	Scopes []Scope
	// TenantID and UserID, when set, bind the caller: they add and see what
	// belongs to that tenant and that user, and nothing else.
	TenantID string
	UserID   string
}

// May reports whether the caller has a scope.
func (c Caller) May(s Scope) bool { return s == public || slices.Contains(c.Scopes, s) }

// bound reports whether the caller sees only a part of the jobs.
func (c Caller) bound() bool { return c.TenantID != "" || c.UserID != "" }

// identity tells callers apart. Two tenants can give their people the same name:
// a token's subject is unique within one issuer's tenant only. No name begins with
// a quote, so none looks like that of a bound caller.
func (c Caller) identity() string {
	if !c.bound() {
		return c.Name
	}
	return fmt.Sprintf("%q %q %q", c.Name, c.TenantID, c.UserID)
}

// anybody is the caller of an API that is open.
func anybody() Caller { return Caller{Name: "anybody", Scopes: Scopes()} }

// check refuses a caller whose scopes and bounds contradict each other.
func (c Caller) check() error {
	for _, s := range c.Scopes {
		if !slices.Contains(Scopes(), s) {
			return jobs.Invalid("scope", "must be of %v", Scopes())
		}
	}
	if c.bound() && c.May(ReadQueues) {
		return jobs.Invalid("scope", "queues:read shows the jobs of everybody, so it cannot be had by a caller that is bound to a tenant or a user")
	}
	return nil
}

// mayTenant says why a caller cannot act for a tenant; nil if they can. Who is
// bound to a user and to no tenant has none to act for.
func (c Caller) mayTenant(id string) error {
	switch {
	case c.TenantID == "" && c.UserID != "":
		return problem("forbidden", "The caller is bound to a user and to no tenant.")
	case c.TenantID != "" && c.TenantID != id:
		return problem("forbidden", "The caller belongs to another tenant.")
	}
	return nil
}

// mayUser says why a caller cannot act for a user; nil if they can.
func (c Caller) mayUser(id string) error {
	if c.UserID != "" && c.UserID != id && !c.May(AllExports) {
		return problem("forbidden", "The caller belongs to another user.")
	}
	return nil
}
