package embedded

import (
	"fmt"
	"os"
	"path"
	"runtime/metrics"
	"slices"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2/server"
)

// version is the Redis whose behaviour this server stands in for. Clients look
// at it to choose their commands.
const version = "7.0.15"

// settings are what CONFIG GET answers: name and value, sorted by name.
var settings = [...][2]string{
	{"appendfsync", "no"},
	{"appendonly", "no"},
	{"cluster-enabled", "no"},
	{"databases", "16"},
	{"maxmemory", "0"},
	{"maxmemory-policy", "noeviction"},
	{"notify-keyspace-events", ""},
	{"save", ""},
	{"timeout", "0"},
}

// config answers CONFIG GET. Nothing can be set: there is nothing to configure.
func (s *Server) config(_ *conn, peer *server.Peer, args []string) bool {
	if len(args) < 2 || !strings.EqualFold(args[0], "GET") {
		peer.WriteError("ERR the embedded Redis knows CONFIG GET only")
		return true
	}
	var found []string
	for _, setting := range settings {
		if slices.ContainsFunc(args[1:], func(pattern string) bool { return matches(pattern, setting[0]) }) {
			found = append(found, setting[0], setting[1])
		}
	}
	peer.Block(func(w *server.Writer) {
		w.WriteMapLen(len(found) / 2)
		for _, text := range found {
			w.WriteBulk(text)
		}
	})
	return true
}

func matches(pattern, name string) bool {
	ok, err := path.Match(strings.ToLower(pattern), name)
	return err == nil && ok
}

// hello greets as Redis does, but declines RESP3, in which miniredis gives some
// replies the wrong shape. Clients then stay with RESP2.
func (s *Server) hello(c *conn, peer *server.Peer, args []string) bool {
	if len(args) == 0 {
		args = []string{"2"}
	}
	if args[0] == "3" {
		peer.WriteError("NOPROTO unsupported protocol version")
		return true
	}
	if reply := s.redispatch(peer, append([]string{"HELLO"}, args...)...); strings.HasPrefix(reply, "-") {
		peer.WriteRaw(reply)
		return true
	}
	if i := slices.IndexFunc(args, isSetName); i > 0 {
		peer.ClientName = args[i+1]
		s.conns.rename(c, args[i+1])
	}
	s.greet(c, peer)
	return true
}

func (s *Server) greet(c *conn, peer *server.Peer) {
	words := func(w *server.Writer, words ...string) {
		for _, word := range words {
			w.WriteBulk(word)
		}
	}
	peer.Block(func(w *server.Writer) {
		w.WriteLen(14)
		words(w, "server", "redis", "version", version, "proto")
		w.WriteRaw(":2\r\n")
		words(w, "id")
		w.WriteRaw(fmt.Sprintf(":%d\r\n", c.id))
		words(w, "mode", "standalone", "role", "master", "modules")
		w.WriteLen(0)
	})
}

func isSetName(arg string) bool { return strings.EqualFold(arg, "SETNAME") }

// cluster: this is none, and clients ask to find out.
func (s *Server) cluster(_ *conn, peer *server.Peer, _ []string) bool {
	peer.WriteError("ERR This instance has cluster support disabled")
	return true
}

// role answers as a primary that nobody follows.
func (s *Server) role(_ *conn, peer *server.Peer, _ []string) bool {
	peer.Block(func(w *server.Writer) {
		w.WriteLen(3)
		w.WriteBulk("master")
		w.WriteRaw(":0\r\n")
		w.WriteLen(0)
	})
	return true
}

// client answers the subcommands that need the registry of connections.
func (s *Server) client(c *conn, peer *server.Peer, args []string) bool {
	if len(args) == 0 {
		return false
	}
	switch strings.ToUpper(args[0]) {
	case "ID":
		peer.WriteInt(int(c.id))
	case "LIST":
		peer.WriteBulk(s.conns.list())
	case "INFO":
		peer.WriteBulk(s.conns.describe(c))
	case "SETNAME":
		if len(args) == 2 && !strings.ContainsAny(args[1], " \n") {
			s.conns.rename(c, args[1])
		}
		return false
	default:
		return false
	}
	return true
}

// info answers INFO with the sections asked for, or all of them. A section
// that does not exist is empty, as on Redis.
func (s *Server) info(_ *conn, peer *server.Peer, args []string) bool {
	var text strings.Builder
	for _, section := range s.sections(peer) {
		if wanted(section.name, args) {
			fmt.Fprintf(&text, "# %s\r\n%s\r\n", section.title(), strings.Join(section.lines, "\r\n")+"\r\n")
		}
	}
	peer.WriteBulk(strings.TrimSuffix(text.String(), "\r\n"))
	return true
}

func wanted(section string, asked []string) bool {
	if len(asked) == 0 {
		return true
	}
	return slices.ContainsFunc(asked, func(a string) bool {
		a = strings.ToLower(a)
		return a == section || a == "all" || a == "default" || a == "everything"
	})
}

type section struct {
	name  string
	lines []string
}

func (s section) title() string { return strings.ToUpper(s.name[:1]) + s.name[1:] }

func (s *Server) sections(peer *server.Peer) []section {
	return []section{
		{"server", []string{
			"redis_version:" + version, "redis_mode:standalone", "executable:embedded",
			fmt.Sprintf("process_id:%d", os.Getpid()), "tcp_port:" + s.addr[strings.LastIndex(s.addr, ":")+1:],
			fmt.Sprintf("uptime_in_seconds:%d", int(time.Since(s.since).Seconds())),
		}},
		{"clients", []string{fmt.Sprintf("connected_clients:%d", s.conns.len())}},
		{"memory", []string{
			fmt.Sprintf("used_memory:%d", heap()), "maxmemory:0", "maxmemory_policy:noeviction",
		}},
		{"persistence", []string{"loading:0", "aof_enabled:0"}},
		{"stats", []string{
			fmt.Sprintf("total_connections_received:%d", s.below.TotalConnections()),
			fmt.Sprintf("total_commands_processed:%d", s.below.TotalCommands()),
			"evicted_keys:0",
		}},
		{"replication", []string{"role:master", "connected_slaves:0"}},
		{"keyspace", s.keyspace(peer)},
	}
}

// keyspace counts the keys of the database that the client has selected, the
// only one that miniredis can count cheaply.
func (s *Server) keyspace(peer *server.Peer) []string {
	size := strings.TrimSpace(strings.TrimPrefix(s.redispatch(peer, "DBSIZE"), ":"))
	if size == "0" {
		return nil
	}
	return []string{"db0:keys=" + size}
}

// heap is what the whole process keeps in memory, in bytes: the data shares it.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
