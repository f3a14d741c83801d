package jobs

// Type binds a queue and a job name to the Go types of the job's payload P and
// of its result R. Producer and worker share one Type value, so the compiler
// sees to it that both speak of the same thing.
//
//	var Welcome = jobs.Define[WelcomeMail, Receipt]("email", "welcome")
//
// P and R travel as JSON. Use struct{} for a result that carries nothing.
type Type[P, R any] struct {
	queue string
	name  string
}

// Define names a job type. It does not check the names: adding a job and
// registering a handler do, and say what is wrong.
func Define[P, R any](queue, name string) Type[P, R] {
	return Type[P, R]{queue: queue, name: name}
}

// Queue is the name of the queue that holds jobs of this type.
func (t Type[P, R]) Queue() string { return t.queue }

// Name is the name that jobs of this type carry.
func (t Type[P, R]) Name() string { return t.name }

// Named is the same type under another job name, for queues whose jobs share
// a payload and differ in what they do with it.
func (t Type[P, R]) Named(name string) Type[P, R] {
	t.name = name
	return t
}
