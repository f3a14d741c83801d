package apiapp

import (
	"github.com/tandemq/tandem/cmd/internal/parts"
	"github.com/tandemq/tandem/internal/config"
	"github.com/tandemq/tandem/internal/handlers"
)

// Mistakes are what is wrong with a configuration beside what it finds itself.
func Mistakes(c config.API) []config.Problem {
	m := parts.MistakesInParts(c.Redis, c.Database, c.Files, c.Datasets)
	_, err := handlers.ParseKeys(c.Access.APIKeys.List())
	m.Add("API_KEYS", err)
	if c.Access.JWTKey.IsSet() {
		m.Add("JWT_KEY", handlers.CheckJWTKey(c.Access.JWTKey.Reveal()))
	}
	return m
}
