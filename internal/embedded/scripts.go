package embedded

import (
	"cmp"
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/alicebob/miniredis/v2/server"
)

//go:embed prelude.lua
var preludeSource string

// library maps the hash by which clients know a script to the hash of what
// miniredis runs instead: the same script with the prelude in front.
type library struct {
	prelude string
	rewrite func(script string) string // nil leaves scripts as they are

	mu    sync.Mutex // guards alias
	alias map[string]string
}

func newLibrary(rewrite func(script string) string) *library {
	return &library{prelude: oneLine(preludeSource), rewrite: rewrite, alias: map[string]string{}}
}

// oneLine joins a Lua source without its comments, so that the lines of a
// script keep their numbers when it stands in front.
func oneLine(source string) string {
	var words []string
	for line := range strings.Lines(source) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--") {
			words = append(words, line)
		}
	}
	return strings.Join(words, " ") + " "
}

// expand returns what to run for script. Most scripts are left alone.
func (l *library) expand(script string) string {
	expanded := script
	if l.rewrite != nil {
		expanded = l.rewrite(script)
	}
	if strings.Contains(expanded, "cmsgpack") || strings.Contains(expanded, "cjson") {
		expanded = l.prelude + expanded
	}
	if expanded == script {
		return script
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alias[hash(script)] = hash(expanded)
	return expanded
}

// stored is the hash under which miniredis keeps the script that clients call sha.
func (l *library) stored(sha string) string {
	sha = strings.ToLower(sha)
	l.mu.Lock()
	defer l.mu.Unlock()
	if expanded, ok := l.alias[sha]; ok {
		return expanded
	}
	return sha
}

func hash(script string) string {
	sum := sha1.Sum([]byte(script)) // Redis names scripts by SHA-1; it protects nothing
	return hex.EncodeToString(sum[:])
}

// scripts runs a script, which EVAL and EVAL_RO name by its text and the others
// by its hash.
func (s *Server) scripts(command string) hook {
	byText := strings.HasPrefix(command, "EVAL") && !strings.HasPrefix(command, "EVALSHA")
	return func(_ *conn, peer *server.Peer, args []string) bool {
		if len(args) < 2 {
			return false
		}
		sha, run := args[0], s.lib.stored(args[0])
		if byText {
			sha, run = hash(args[0]), s.lib.expand(args[0])
		}
		s.run(peer, sha, append([]string{command, run}, args[1:]...))
		return true
	}
}

// exec runs a transaction, which may hold scripts.
func (s *Server) exec(_ *conn, peer *server.Peer, args []string) bool {
	s.run(peer, "", append([]string{"EXEC"}, args...))
	return true
}

func (s *Server) run(peer *server.Peer, sha string, args []string) {
	if !s.gate.pass(func() { peer.WriteRaw(asRedis(s.redispatch(peer, args...), sha)) }) {
		peer.WriteError("ERR the embedded Redis is closing")
	}
}

// script answers SCRIPT LOAD and EXISTS in terms of the hashes clients know.
func (s *Server) script(_ *conn, peer *server.Peer, args []string) bool {
	switch {
	case len(args) == 2 && strings.EqualFold(args[0], "LOAD"):
		reply := s.redispatch(peer, "SCRIPT", "LOAD", s.lib.expand(args[1]))
		if strings.HasPrefix(reply, "$") {
			peer.WriteBulk(hash(args[1]))
		} else {
			peer.WriteRaw(reply)
		}
	case len(args) >= 2 && strings.EqualFold(args[0], "EXISTS"):
		query := []string{"SCRIPT", "EXISTS"}
		for _, sha := range args[1:] {
			query = append(query, s.lib.stored(sha))
		}
		peer.WriteRaw(s.redispatch(peer, query...))
	default:
		return false
	}
	return true
}

var (
	// raised is how miniredis reports an error that ended a script: where, unless
	// it was raised without a position, and what.
	raised = regexp.MustCompile(`^-ERR Error compiling script \(new function\): (?::(\d+): )?(.*?)\s+stack traceback:`)
	// coded is a message that starts with an error code: "WRONGTYPE …".
	coded = regexp.MustCompile(`^[A-Z][A-Z0-9]* `)
	// unknown is how miniredis words a command that does not exist.
	unknown = regexp.MustCompile(`^Unknown Redis command called from script`)
)

// asRedis gives an error that ended a script the form it has on Redis 7.0, with
// the error code in front, where clients look for it. Other replies stay.
func asRedis(reply, sha string) string {
	found := raised.FindStringSubmatch(reply)
	if found == nil {
		return reply
	}
	line, message := cmp.Or(found[1], "1"), found[2]
	message, _, _ = strings.Cut(message, " script: ")
	switch {
	case unknown.MatchString(message), strings.HasPrefix(message, "Lua redis lib"),
		strings.HasPrefix(message, "This Redis command is not"):
		message = "ERR " + message
	case !coded.MatchString(message):
		message = fmt.Sprintf("ERR user_script:%s: %s", line, message)
	}
	return fmt.Sprintf("-%s script: %s, on @user_script:%s.\r\n", message, sha, line)
}
