package server

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Usage is what a server has spent since it started, and the memory it has.
type Usage struct {
	CPUMicros float64
	Commands  float64 // those that scripts call included, our own INFO not
	Scripts   float64 // EVAL, EVALSHA, FCALL
	Memory    float64 // bytes
	Version   string
}

// Usage asks the server.
func (s *Server) Usage(ctx context.Context) (Usage, error) {
	text, err := s.client.InfoMap(ctx, "server", "cpu", "commandstats", "memory").Result()
	if err != nil {
		return Usage{}, fmt.Errorf("usage of redis: %w", err)
	}
	return parseUsage(text)
}

func parseUsage(info map[string]map[string]string) (Usage, error) {
	u := Usage{Version: info["Server"]["redis_version"]}
	for name, target := range map[string]*float64{"used_cpu_user": &u.CPUMicros, "used_cpu_sys": &u.CPUMicros} {
		seconds, err := strconv.ParseFloat(info["CPU"][name], 64)
		if err != nil {
			return u, fmt.Errorf("usage of redis: %s: %w", name, err)
		}
		*target += 1e6 * seconds
	}
	var err error
	if u.Memory, err = strconv.ParseFloat(info["Memory"]["used_memory"], 64); err != nil {
		return u, fmt.Errorf("usage of redis: used_memory: %w", err)
	}
	for name, stats := range info["Commandstats"] {
		calls, err := callsOf(stats)
		if err != nil {
			return u, fmt.Errorf("usage of redis: %s: %w", name, err)
		}
		switch command := strings.TrimPrefix(name, "cmdstat_"); command {
		case "info":
			continue
		case "eval", "evalsha", "fcall":
			u.Scripts += calls
		}
		u.Commands += calls
	}
	return u, nil
}

// callsOf reads calls=12,usec=34,….
func callsOf(stats string) (float64, error) {
	first, _, _ := strings.Cut(stats, ",")
	return strconv.ParseFloat(strings.TrimPrefix(first, "calls="), 64)
}

// Since is what was spent between two looks. Memory is the growth.
func (u Usage) Since(before Usage) Usage {
	return Usage{
		CPUMicros: u.CPUMicros - before.CPUMicros, Commands: u.Commands - before.Commands,
		Scripts: u.Scripts - before.Scripts, Memory: u.Memory - before.Memory, Version: u.Version,
	}
}
