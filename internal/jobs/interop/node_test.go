package interop_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patience bounds every wait: longer than the slowest machine needs, short
// enough that a hanging test says where it hangs.
const patience = 30 * time.Second

// obj is a JavaScript object.
type obj = map[string]any

// node is a Node process with the driver in it.
type node struct {
	process *process
	ids     atomic.Int64
	ready   chan struct{}

	mu      sync.Mutex // guards the fields below
	pending map[int64]chan answer
	heard   map[string][]said // by the object's name
	changed chan struct{}     // closed and replaced when something was heard
}

type answer struct {
	ID    int64           `json:"id"`
	Value json.RawMessage `json:"value"`
	Error *nodeError      `json:"error"`
	said
}

// said is an event that an object emitted in the driver.
type said struct {
	On    string            `json:"on"`
	Event string            `json:"event"`
	Args  []json.RawMessage `json:"args"`
}

// nodeError is an exception on the other side.
type nodeError struct {
	Message string `json:"message"`
	Name    string `json:"name"`
	Code    any    `json:"code"`
}

func (e *nodeError) Error() string { return fmt.Sprintf("%s: %s (code %v)", e.Name, e.Message, e.Code) }

// startNode starts a process that belongs to this test and may be killed by it.
func startNode(t testing.TB) *node {
	t.Helper()
	needNode(t)
	n, err := newNode()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.process.kill)
	return n
}

func newNode() (*node, error) {
	n := &node{
		ready: make(chan struct{}), changed: make(chan struct{}),
		pending: map[int64]chan answer{}, heard: map[string][]said{},
	}
	cmd := exec.Command("node", "driver.mjs")
	cmd.Dir = "node"
	var err error
	if n.process, err = launch(cmd, n.hear); err != nil {
		return nil, err
	}
	select {
	case <-n.ready:
		return n, nil
	case <-n.process.exited:
		return nil, fmt.Errorf("node ended at once")
	}
}

// installed makes the packages available, once.
var installed = sync.OnceValue(func() error {
	if _, err := os.Stat("node/node_modules/bullmq5"); err == nil {
		return nil
	}
	install := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = "node"
	if output, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, output)
	}
	return nil
})

// needNode skips a test where there is no Node, unless that is forbidden.
func needNode(t testing.TB) {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("REDISTEST_STRICT") == "1" {
				t.Fatalf("%s is not on PATH, and REDISTEST_STRICT=1 forbids skipping", program)
			}
			t.Skipf("skipped, this needs %s on PATH", program)
		}
	}
	if err := installed(); err != nil {
		t.Fatal(err)
	}
}

// common is the process that most tests share: one while any of them runs.
var common struct {
	mu    sync.Mutex // guards the fields below
	node  *node
	users int
}

func sharedNode(t testing.TB) *node {
	t.Helper()
	needNode(t)
	common.mu.Lock()
	defer common.mu.Unlock()
	if common.users == 0 {
		n, err := newNode()
		if err != nil {
			t.Fatal(err)
		}
		common.node = n
	}
	common.users++
	t.Cleanup(func() {
		common.mu.Lock()
		defer common.mu.Unlock()
		if common.users--; common.users == 0 {
			common.node.process.kill()
		}
	})
	return common.node
}

// hear sorts what the process says.
func (n *node) hear(line []byte) {
	var a answer
	if err := json.Unmarshal(line, &a); err != nil {
		fmt.Fprintf(os.Stderr, "node says: %s", line)
		return
	}
	if a.Event == "ready" && a.On == "" {
		close(n.ready)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if a.Event == "" {
		n.pending[a.ID] <- a
		delete(n.pending, a.ID)
		return
	}
	n.heard[a.On] = append(n.heard[a.On], a.said)
	close(n.changed)
	n.changed = make(chan struct{})
}

// ask sends a request and waits for its answer.
func (n *node) ask(request obj) (json.RawMessage, error) {
	id := n.ids.Add(1)
	request["id"] = id
	line, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	reply := make(chan answer, 1)
	n.mu.Lock()
	n.pending[id] = reply
	n.mu.Unlock()
	if err := n.process.write(line); err != nil {
		return nil, err
	}
	select {
	case a := <-reply:
		if a.Error != nil {
			return nil, a.Error
		}
		return a.Value, nil
	case <-n.process.exited:
		return nil, fmt.Errorf("node ended during %s", line)
	case <-time.After(patience):
		return nil, fmt.Errorf("node has not answered %s", line)
	}
}

// object is something that lives in the process: a Queue, a Worker, …
type object struct {
	t    testing.TB
	node *node
	as   string
}

// create makes an object that is closed with the test.
func (n *node) create(t testing.TB, request obj) *object {
	t.Helper()
	o := &object{t: t, node: n, as: fmt.Sprintf("%s-%d", request["op"], n.ids.Add(1))}
	request["as"] = o.as
	if _, err := n.ask(request); err != nil {
		t.Fatalf("make %v: %v", request, err)
	}
	t.Cleanup(func() { o.close(true) })
	return o
}

// close is harmless when the object, or its process, is gone already.
func (o *object) close(args ...any) {
	if o.as == "" {
		return
	}
	_, _ = o.node.ask(obj{"op": "close", "on": o.as, "args": list(args)})
	o.as = ""
}

func list(args []any) []any {
	if args == nil {
		return []any{}
	}
	return args
}

// ref stands for the object in the arguments of another call.
func (o *object) ref() obj { return obj{"$ref": o.as} }

// try calls a method and returns what it returned or threw.
func (o *object) try(method string, args ...any) (value, error) {
	raw, err := o.node.ask(obj{"op": "call", "on": o.as, "method": method, "args": list(args)})
	return value{o.t, raw}, err
}

// call is try for a method that must not throw.
func (o *object) call(method string, args ...any) value {
	o.t.Helper()
	v, err := o.try(method, args...)
	if err != nil {
		o.t.Fatalf("node: %s: %v", method, err)
	}
	return v
}

// tryJob calls a method of a job; an empty method gives the job itself.
func (o *object) tryJob(id, method string, args ...any) (value, error) {
	raw, err := o.node.ask(obj{"op": "job", "on": o.as, "job": id, "method": method, "args": list(args)})
	return value{o.t, raw}, err
}

// job is tryJob for what must not throw.
func (o *object) job(id, method string, args ...any) value {
	o.t.Helper()
	v, err := o.tryJob(id, method, args...)
	if err != nil {
		o.t.Fatalf("node: job %s: %s: %v", id, method, err)
	}
	return v
}

// release lets the jobs go on that a worker holds.
func (o *object) release() {
	o.t.Helper()
	if _, err := o.node.ask(obj{"op": "release", "on": o.as}); err != nil {
		o.t.Fatal(err)
	}
}

// events are what the object has emitted under this name so far.
func (o *object) events(name string) []said {
	o.node.mu.Lock()
	defer o.node.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(o.node.heard[o.as]), func(s said) bool { return s.Event != name })
}

// await returns the arguments of the first event of this name that match accepts.
func (o *object) await(name string, match func(args []json.RawMessage) bool) []json.RawMessage {
	o.t.Helper()
	deadline := time.After(patience)
	for {
		o.node.mu.Lock()
		changed := o.node.changed
		o.node.mu.Unlock()
		for _, s := range o.events(name) {
			if match(s.Args) {
				return s.Args
			}
		}
		select {
		case <-changed:
		case <-o.node.process.exited:
			o.t.Fatalf("node ended while %s was awaited", name)
		case <-deadline:
			o.t.Fatalf("node has not emitted %s as expected; it has %v", name, o.events(name))
		}
	}
}

// awaitHolding waits until the worker holds a job.
func (o *object) awaitHolding(id string) {
	o.t.Helper()
	o.await("holding", func(args []json.RawMessage) bool { return string(args[0]) == `"`+id+`"` })
}

// value is what came back from Node.
type value struct {
	t   testing.TB
	raw json.RawMessage
}

// decode reads the value as JSON.
func (v value) any() any {
	v.t.Helper()
	var got any
	if err := json.Unmarshal(v.raw, &got); err != nil {
		v.t.Fatalf("node answered %s: %v", v.raw, err)
	}
	return got
}

// at is a member of a member of an object; nil where there is none.
func (v value) at(path ...string) any {
	v.t.Helper()
	got := v.any()
	for _, name := range path {
		members, ok := got.(obj)
		if !ok {
			return nil
		}
		got = members[name]
	}
	return got
}

// text is a string that must be one.
func (v value) text(path ...string) string {
	v.t.Helper()
	text, ok := v.at(path...).(string)
	if !ok {
		v.t.Fatalf("node answered %s: %v is no string", v.raw, path)
	}
	return text
}

// number is a number that must be one.
func (v value) number(path ...string) float64 {
	v.t.Helper()
	n, ok := v.at(path...).(float64)
	if !ok {
		v.t.Fatalf("node answered %s: %v is no number", v.raw, path)
	}
	return n
}

// anything matches every event.
func anything([]json.RawMessage) bool { return true }
