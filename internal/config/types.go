package config

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Environment says how strict to be.
type Environment string

// The environments.
const (
	Development Environment = "development"
	Production  Environment = "production"
)

// UnmarshalText accepts the two words.
func (e *Environment) UnmarshalText(text []byte) error {
	switch word := Environment(text); word {
	case Development, Production:
		*e = word
		return nil
	}
	return errors.New("must be development or production")
}

// Level is the least level that is logged.
type Level struct{ slog.Level }

// UnmarshalText accepts debug, info, warn and error.
func (l *Level) UnmarshalText(text []byte) error {
	if err := l.Level.UnmarshalText(text); err != nil {
		return errors.New("must be debug, info, warn or error")
	}
	return nil
}

// LogFormat is how log lines look.
type LogFormat string

// The formats. Auto is text on a terminal and JSON elsewhere.
const (
	LogAuto LogFormat = "auto"
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// UnmarshalText accepts the three words.
func (f *LogFormat) UnmarshalText(text []byte) error {
	switch word := LogFormat(text); word {
	case LogAuto, LogText, LogJSON:
		*f = word
		return nil
	}
	return errors.New("must be auto, text or json")
}

// Presence is true when the variable has any value: NO_COLOR=0 means no colour.
type Presence bool

// UnmarshalText makes it true.
func (p *Presence) UnmarshalText([]byte) error {
	*p = true
	return nil
}

// Secret is a value that nothing prints. Only Reveal gives it away.
type Secret struct{ value string }

// NewSecret makes a secret of a value.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal is the value.
func (s Secret) Reveal() string { return s.value }

// IsSet reports whether there is a value.
func (s Secret) IsSet() bool { return s.value != "" }

// List is the secret's parts, which commas divide, without space around them
// and without empty ones.
func (s Secret) List() []string { return splitList(s.value) }

// String says only whether there is a value.
func (s Secret) String() string {
	if s.value == "" {
		return ""
	}
	return "[set]"
}

// Format keeps every verb, %#v included, from printing the value.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// MarshalText keeps encoders from printing the value.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue keeps loggers from printing the value.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// UnmarshalText takes any value.
func (s *Secret) UnmarshalText(text []byte) error {
	s.value = string(text)
	return nil
}

// SecretURL is a URL that may hold a password. It prints without it.
type SecretURL struct{ Secret }

// NewSecretURL makes one of a value.
func NewSecretURL(value string) SecretURL { return SecretURL{Secret{value}} }

// String is the URL without its password and its parameters, which may be
// secrets too.
func (u SecretURL) String() string {
	if u.value == "" {
		return ""
	}
	parsed, err := url.Parse(u.value)
	if err != nil {
		return "[not a URL]"
	}
	parsed.RawQuery, parsed.Fragment = "", ""
	return parsed.Redacted()
}

// Format prints what String says.
func (u SecretURL) Format(f fmt.State, _ rune) { fmt.Fprint(f, u.String()) }

// MarshalText is what String says.
func (u SecretURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// LogValue is what String says.
func (u SecretURL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// UnmarshalText takes what parses as a URL. The error does not repeat it.
func (u *SecretURL) UnmarshalText(text []byte) error {
	if _, err := url.Parse(string(text)); err != nil {
		return errors.New("is not a URL; special characters of a password have to be percent-encoded")
	}
	u.value = string(text)
	return nil
}

// scheme is the URL's scheme, "" when there is none.
func (u SecretURL) scheme() string {
	parsed, err := url.Parse(u.value)
	if err != nil {
		return ""
	}
	return parsed.Scheme
}

// List is values divided by commas.
type List []string

// UnmarshalText drops space around the values, and empty ones.
func (l *List) UnmarshalText(text []byte) error {
	*l = splitList(string(text))
	return nil
}

func (l List) String() string { return strings.Join(l, ",") }

func splitList(text string) []string {
	var list []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// Prefixes are networks, or single addresses.
type Prefixes []netip.Prefix

// UnmarshalText accepts 10.0.0.0/8 and 192.0.2.1, divided by commas.
func (p *Prefixes) UnmarshalText(text []byte) error {
	var all Prefixes
	for _, part := range splitList(string(text)) {
		prefix, err := parsePrefix(part)
		if err != nil {
			return fmt.Errorf("has %q, which is neither an address nor a network such as 10.0.0.0/8", part)
		}
		all = append(all, prefix)
	}
	*p = all
	return nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		prefix, err := netip.ParsePrefix(text)
		return prefix.Masked(), err
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return address.Prefix(address.BitLen())
}

func (p Prefixes) String() string {
	texts := make([]string, len(p))
	for i, prefix := range p {
		texts[i] = prefix.String()
	}
	return strings.Join(texts, ",")
}

// Rate is so many requests in so much time. The zero value is no limit.
type Rate struct {
	Count int
	Per   time.Duration
}

// UnmarshalText accepts 600/1m, 10/s, and off.
func (r *Rate) UnmarshalText(text []byte) error {
	*r = Rate{}
	if string(text) == "off" {
		return nil
	}
	count, per, _ := strings.Cut(string(text), "/")
	if per != "" && strings.IndexByte("0123456789", per[0]) < 0 {
		per = "1" + per
	}
	n, countErr := strconv.Atoi(strings.TrimSpace(count))
	d, perErr := time.ParseDuration(strings.TrimSpace(per))
	if countErr != nil || perErr != nil || n < 1 || d <= 0 {
		return errors.New("must be off, or a number of requests and a time, such as 600/1m")
	}
	*r = Rate{n, d}
	return nil
}

func (r Rate) String() string {
	if r == (Rate{}) {
		return "off"
	}
	return fmt.Sprintf("%d/%s", r.Count, r.Per)
}

// Zone is a time zone.
type Zone struct{ *time.Location }

// UnmarshalText accepts an IANA name. Local is none: it would mean something
// else on each machine.
func (z *Zone) UnmarshalText(text []byte) error {
	location, err := time.LoadLocation(string(text))
	if err != nil || location == time.Local || len(text) == 0 {
		return fmt.Errorf("has %q, which is not a time zone such as Europe/Berlin", text)
	}
	z.Location = location
	return nil
}

// Zones are time zones by name of a tenant.
type Zones map[string]Zone

// UnmarshalText accepts acme=Europe/Berlin, divided by commas.
func (z *Zones) UnmarshalText(text []byte) error {
	all := Zones{}
	for _, part := range splitList(string(text)) {
		tenant, name, _ := strings.Cut(part, "=")
		var zone Zone
		if err := zone.UnmarshalText([]byte(name)); err != nil {
			return fmt.Errorf("has %q, which is not a tenant and a time zone such as acme=Europe/Berlin", part)
		}
		if _, twice := all[tenant]; twice {
			return fmt.Errorf("has more than one time zone of %q", tenant)
		}
		all[tenant] = zone
	}
	*z = all
	return nil
}

func (z Zones) String() string {
	var texts []string
	for _, tenant := range slices.Sorted(maps.Keys(z)) {
		texts = append(texts, tenant+"="+z[tenant].String())
	}
	return strings.Join(texts, ",")
}

var (
	_ encoding.TextMarshaler = Secret{}
	_ fmt.Formatter          = SecretURL{}
	_ slog.LogValuer         = SecretURL{}
)
