package workerapp

import (
	"github.com/tandemq/tandem/cmd/internal/parts"
	"github.com/tandemq/tandem/internal/config"
	"github.com/tandemq/tandem/internal/email"
)

// Mistakes are what is wrong with a configuration beside what it finds itself.
func Mistakes(c config.Worker) []config.Problem {
	m := parts.MistakesInParts(c.Redis, c.Database, c.Files, c.Datasets)
	_, err := email.ParseServer(c.Mail.SMTPURL.Reveal())
	m.Add("SMTP_URL", err)
	m.Add("MAIL_FROM", email.CheckSender(c.Mail.From))
	return m
}
