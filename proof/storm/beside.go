package storm

import (
	"github.com/tandemq/tandem/internal/redistest"
	"github.com/tandemq/tandem/proof/ledger"
)

// Dir is where the ledgers of a site are, for programs that write one too.
func (s *Site) Dir() string { return s.dir }

// Book is the site's own ledger, for faults that have more to say than when they
// began and ended.
func (s *Site) Book() *ledger.Writer { return s.book }

// Proxy stands between the program and the server.
func (p *Program) Proxy() *redistest.TCPProxy { return p.slot.proxy }
