package check

import (
	"iter"
	"slices"

	"github.com/tandemq/tandem/proof/ledger"
)

// history is what all ledgers tell, sorted by what it is about.
type history struct {
	asked     map[string]*asked // by key
	jobs      map[string]*life  // by id
	stops     map[int]int64     // by pid: when it was asked to stop
	deaths    map[int]int64     // by pid: when it was gone without having said so itself
	ups       []int64           // when the server came back
	starts    []int64
	faults    int
	processes int
	vitals    map[int][]vital // by pid, in order
}

// asked is what a producer wanted and heard of one job.
type asked struct {
	key      string
	want     string
	priority int64
	at       int64
	acked    int64 // 0 when it was not
	ids      []string
	doubts   int
	denied   string
	known    bool // acknowledged as a repetition that it was not
	due      int64
}

// life is what workers and the queue tell of one id.
type life struct {
	key     string // as its payload says when it ran, or else as its producer does
	starts  []start
	leases  []lease
	returns []returned
	ends    []end
	finals  []string // completed or failed, as the event stream tells it
	reason  string
	effects int
	stalled bool
	put     bool // delayed or handed back, as the event stream tells it
}

type start struct {
	at    int64
	n     int64
	pid   int
	token string
}

type lease struct {
	token string
	until int64
}

type returned struct {
	token string
	at    int64
}

type end struct {
	n    int64
	at   int64
	word string
}

func read(entries iter.Seq2[ledger.Entry, error]) (*history, error) {
	h := &history{asked: map[string]*asked{}, jobs: map[string]*life{}, stops: map[int]int64{}, deaths: map[int]int64{}, vitals: map[int][]vital{}}
	for e, err := range entries {
		if err != nil {
			return nil, err
		}
		h.add(&e)
	}
	h.forgetGoodEnds()
	slices.Sort(h.starts)
	return h, nil
}

func (h *history) add(e *ledger.Entry) {
	switch e.Kind {
	case ledger.Process:
		h.addProcess(e)
	case ledger.Fault:
		h.addFault(e)
	case ledger.Intent, ledger.Acked, ledger.Denied, ledger.Unknown:
		h.addAnswer(e)
	case ledger.Lease, ledger.Start, ledger.Effect, ledger.Returned, ledger.End, ledger.Event:
		h.addLife(e)
	case ledger.Vitals:
		h.vitals[e.Pid] = append(h.vitals[e.Pid], vital{e.N, e.Until, e.Bytes})
	}
}

func (h *history) addProcess(e *ledger.Entry) {
	switch e.Word {
	case "start":
		h.processes++
	case "stop":
		h.stops[e.Pid] = e.At
	case "gone":
		h.deaths[e.Pid] = e.At
	}
}

// forgetGoodEnds leaves the deaths that nobody had asked for.
func (h *history) forgetGoodEnds() {
	for pid := range h.stops {
		delete(h.deaths, pid)
	}
}

func (h *history) addFault(e *ledger.Entry) {
	switch e.Word {
	case "begin":
		h.faults++
	case "up":
		h.ups = append(h.ups, e.At)
	}
}

func (h *history) addAnswer(e *ledger.Entry) {
	a := h.asked[e.Key]
	if a == nil {
		a = &asked{key: e.Key}
		h.asked[e.Key] = a
	}
	if e.ID != "" && !slices.Contains(a.ids, e.ID) {
		a.ids = append(a.ids, e.ID)
		if l := h.life(e.ID); l.key == "" {
			l.key = e.Key
		}
	}
	switch e.Kind {
	case ledger.Intent:
		a.at, a.want, a.priority, a.due = e.At, e.Word, e.N, e.Until
	case ledger.Acked:
		a.acked, a.known = e.At, e.N == 1
	case ledger.Denied:
		a.denied = e.Text
	default:
		a.doubts++
	}
}

func (h *history) life(id string) *life {
	l := h.jobs[id]
	if l == nil {
		l = &life{}
		h.jobs[id] = l
	}
	return l
}

func (h *history) addLife(e *ledger.Entry) {
	l := h.life(e.ID)
	switch e.Kind {
	case ledger.Lease:
		l.hold(e.Token, e.Until)
	case ledger.Start:
		l.key = e.Key
		l.starts = append(l.starts, start{at: e.At, n: e.N, pid: e.Pid, token: e.Token})
		h.starts = append(h.starts, e.At)
	case ledger.Effect:
		l.effects++
	case ledger.Returned:
		l.returns = append(l.returns, returned{e.Token, e.At})
	case ledger.End:
		l.ends = append(l.ends, end{e.N, e.At, e.Word})
	default:
		l.hear(e)
	}
}

// hold extends the lease of a token.
func (l *life) hold(token string, until int64) {
	for i := range l.leases {
		if l.leases[i].token == token {
			l.leases[i].until = max(l.leases[i].until, until)
			return
		}
	}
	l.leases = append(l.leases, lease{token, until})
}

// hear is told of one event of the stream.
func (l *life) hear(e *ledger.Entry) {
	switch e.Word {
	case "completed", "failed":
		l.finals = append(l.finals, e.Word)
		l.reason = e.Text
	case "stalled":
		l.stalled = true
	case "delayed":
		l.put = true
	}
}
