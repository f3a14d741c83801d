package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/tandemq/tandem/internal/config"
)

// withPort is the environment with a port in place of PORT=0.
func withPort(lookup config.Lookup) (config.Lookup, error) {
	if text, _ := lookup("PORT"); strings.TrimSpace(text) != "0" {
		return lookup, nil
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	return func(name string) (string, bool) {
		if name == "PORT" {
			return strconv.Itoa(port), true
		}
		return lookup(name)
	}, nil
}

// freePort asks for a port and gives it back: links are made of it before the
// API listens.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	address, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, fmt.Errorf("find a free port: listening on %s", l.Addr())
	}
	return address.Port, nil
}
