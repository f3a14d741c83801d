package embedded

import (
	"bufio"
	"bytes"
	"strings"

	"github.com/alicebob/miniredis/v2/server"
)

// hook answers a client's command, or returns false to let miniredis do it.
type hook func(c *conn, peer *server.Peer, args []string) bool

func (s *Server) table() map[string]hook {
	return map[string]hook{
		"CLUSTER": s.cluster,
		"CLIENT":  s.client,
		"CONFIG":  s.config,
		"HELLO":   s.hello,
		"INFO":    s.info,
		"ROLE":    s.role,
		"SCRIPT":  s.script,

		"EVAL":       s.scripts("EVAL"),
		"EVAL_RO":    s.scripts("EVAL_RO"),
		"EVALSHA":    s.scripts("EVALSHA"),
		"EVALSHA_RO": s.scripts("EVALSHA_RO"),
		"EXEC":       s.exec,
	}
}

// blocking are the commands that Redis refuses in a script and that would hold
// miniredis's lock for ever.
var blocking = map[string]bool{
	"BLPOP": true, "BRPOP": true, "BLMOVE": true, "BRPOPLPUSH": true, "BLMPOP": true,
	"BZPOPMIN": true, "BZPOPMAX": true, "BZMPOP": true, "WAIT": true,
}

// transacted are the commands whose hooks leave the answer to miniredis, so that
// they fit into a transaction.
var transacted = map[string]bool{"EVAL": true, "EVAL_RO": true, "EVALSHA": true, "EVALSHA_RO": true, "EXEC": true}

// intercept sees every command before miniredis does. It returns true when the
// command has been answered.
func (s *Server) intercept(peer *server.Peer, command string, args ...string) bool {
	c := s.conns.enter(peer, command)
	if c == nil {
		return s.fromScript(peer, command, args)
	}
	s.expiry.catchUp()
	if s.withinMulti(c, command) && !transacted[command] {
		return false
	}
	if h, ok := s.hooks[command]; ok {
		return h(c, peer, args)
	}
	return s.relax(peer, command, args)
}

// withinMulti keeps the hooks out of transactions: miniredis queues commands
// itself, and an answer at once would break the order of the replies. Scripts
// are expanded there too; what they answer at once is that they are queued.
func (s *Server) withinMulti(c *conn, command string) bool {
	switch command {
	case "MULTI":
		c.multi = true
	case "EXEC", "DISCARD":
		c.multi = false
		return true
	}
	return c.multi
}

func (s *Server) fromScript(peer *server.Peer, command string, args []string) bool {
	if blocking[command] {
		peer.WriteError("ERR This Redis command is not allowed from script")
		return true
	}
	if s.relax(peer, command, args) {
		return true
	}
	if _, ours := s.hooks[command]; s.watch != nil && !ours { // ours come back here by redispatch
		s.watch(command, args)
	}
	return false
}

// relax passes on a command without an option that miniredis does not know and
// that changes nothing but how much work is done at once.
func (s *Server) relax(peer *server.Peer, command string, args []string) bool {
	if command != "XADD" {
		return false
	}
	rest, found := withoutLimit(args)
	if found {
		s.below.Dispatch(peer, append([]string{command}, rest...))
	}
	return found
}

// withoutLimit drops "LIMIT n" from XADD key MAXLEN ~ threshold LIMIT n id ….
func withoutLimit(args []string) (rest []string, found bool) {
	for i := 1; i < len(args)-3; i++ {
		switch strings.ToUpper(args[i]) {
		case "NOMKSTREAM":
		case "MAXLEN", "MINID":
			limit := i + 2
			if args[i+1] == "~" || args[i+1] == "=" {
				limit++
			}
			if limit+1 >= len(args) || !strings.EqualFold(args[limit], "LIMIT") {
				return nil, false
			}
			return append(append([]string{}, args[:limit]...), args[limit+2:]...), true
		default:
			return nil, false
		}
	}
	return nil, false
}

// redispatch lets miniredis run a command on behalf of peer and returns the
// reply's bytes instead of sending them.
func (s *Server) redispatch(peer *server.Peer, args ...string) string {
	var reply bytes.Buffer
	inner := server.NewPeer(bufio.NewWriter(&reply))
	inner.Ctx, inner.Resp3, inner.ClientName = peer.Ctx, peer.Resp3, peer.ClientName
	s.conns.within(inner, func() { s.below.Dispatch(inner, args) })
	inner.Flush()
	peer.Ctx = inner.Ctx
	return reply.String()
}
