package users

import (
	"log/slog"
	"time"
)

// Status says whether an account's address was proven.
type Status string

// The states of an account.
const (
	Pending Status = "pending"
	Active  Status = "active"
)

// User is an account, as its owner may see it.
type User struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Email     string    `json:"email"`
	Status    Status    `json:"status"`
	CreatedAt time.Time `json:"createdAt"`
}

// LogValue shows which account it is, and nothing about the person.
func (u User) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", u.ID), slog.String("status", string(u.Status)))
}

// Registration is what somebody signs up with.
type Registration struct {
	Name     string
	Email    string
	Password string
}

// LogValue keeps a registration out of the logs.
func (Registration) LogValue() slog.Value { return slog.StringValue("[registration]") }
