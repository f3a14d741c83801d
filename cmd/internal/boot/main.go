package boot

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/tandemq/tandem/internal/config"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // wrong flags or configuration
)

// Env is the world of a program: the process's own, or a test's.
type Env struct {
	Args   []string // without the program's name
	Lookup config.Lookup
	Stdout io.Writer // data
	Stderr io.Writer // logs
	// Exit ends the process at once; it is for the second signal.
	Exit func(code int)
}

// ProcessEnv is the world of the process.
func ProcessEnv() Env {
	return Env{Args: os.Args[1:], Lookup: os.LookupEnv, Stdout: os.Stdout, Stderr: os.Stderr, Exit: os.Exit}
}

// Program is a binary.
type Program struct {
	Name    string // "api"
	Summary string // what it does, in a sentence
	OpsAddr string // the default of OPS_ADDR, which healthcheck asks
	// Run does the work until ctx ends. Env.Args are none.
	Run func(ctx context.Context, env Env) error
	// Commands are what else it can do, beside help, version and healthcheck.
	Commands []Command
}

// Command is a word after the program's name.
type Command struct {
	Name    string
	Summary string
	// Run does it. Env.Args are those after the command's name.
	Run func(ctx context.Context, env Env) error
}

// ErrUsage marks an error as a wrong use of the command line: exit code 2.
var ErrUsage = errors.New("wrong usage")

// Main runs the program and returns the exit code. A main function is
//
//	func main() { os.Exit(boot.Main(context.Background(), program(), boot.ProcessEnv())) }
func Main(ctx context.Context, p Program, env Env) int {
	env, flush := gather(env)
	defer flush()
	command, rest, err := p.parse(env)
	if err == nil {
		ctx, stop := WithSignals(ctx, func() { env.Exit(exitFailed) })
		env.Args = rest
		err = clean(ctx, command.Run(ctx, env))
		stop()
	}
	report(env, p.Name, err)
	return exitCode(err)
}

// gather has logs written in few calls, unless somebody looks on. Whichever way
// the program ends, nothing is held back then: flush is for its last moment.
func gather(env Env) (gathered Env, flush func()) {
	if isTerminal(env.Stderr) {
		return env, func() {}
	}
	lines := &gatherer{to: env.Stderr}
	flush = func() { _ = lines.Flush() } // there is no other place to say that it failed
	exit := env.Exit
	env.Stderr = lines
	env.Exit = func(code int) {
		flush()
		exit(code)
	}
	return env, flush
}

// report says what a program failed of.
func report(env Env, name string, err error) {
	if err != nil {
		fmt.Fprintf(env.Stderr, "%s: %s\n", name, hidePasswords(err.Error()))
	}
}

// clean makes a stop by signal what it is: no failure.
func clean(ctx context.Context, err error) error {
	if _, stopped := errors.AsType[Stopped](context.Cause(ctx)); stopped && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func exitCode(err error) int {
	_, misconfigured := errors.AsType[*config.Error](err)
	switch {
	case err == nil:
		return exitOK
	case misconfigured, errors.Is(err, ErrUsage):
		return exitUsage
	default:
		return exitFailed
	}
}

// parse finds the command that the arguments ask for.
func (p *Program) parse(env Env) (Command, []string, error) {
	flags := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	version := flags.Bool("version", false, "")
	err := flags.Parse(env.Args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return p.help(), nil, nil
	case err != nil:
		return Command{}, nil, fmt.Errorf("%w: %w; see %s --help", ErrUsage, err, p.Name)
	case *version:
		return p.version(), nil, nil
	case flags.NArg() == 0:
		return Command{Run: p.Run}, nil, nil
	}
	for _, c := range p.commands() {
		if c.Name == flags.Arg(0) {
			return c, flags.Args()[1:], nil
		}
	}
	return Command{}, nil, fmt.Errorf("%w: there is no command %q; see %s --help", ErrUsage, flags.Arg(0), p.Name)
}

func (p *Program) commands() []Command {
	return append([]Command{p.healthcheck(), p.version(), p.help()}, p.Commands...)
}

func (p *Program) version() Command {
	return Command{Name: "version", Summary: "say what was built", Run: func(_ context.Context, env Env) error {
		_, err := fmt.Fprintln(env.Stdout, p.Name, ReadVersion())
		return err
	}}
}

func (p *Program) help() Command {
	return Command{Name: "help", Summary: "show this text", Run: func(_ context.Context, env Env) error {
		return p.writeHelp(env.Stdout)
	}}
}

func (p *Program) writeHelp(w io.Writer) error {
	text := fmt.Sprintf("%s\n\nUsage:\n  %-24s%s\n", p.Summary, p.Name, "run until SIGTERM")
	for _, c := range p.commands() {
		text += fmt.Sprintf("  %-24s%s\n", p.Name+" "+c.Name, c.Summary)
	}
	text += fmt.Sprintf("  %-24s%s\n", p.Name+" --version", "the same as version")
	text += "\nIt is configured by environment variables; docs/configuration.md lists them.\n" +
		"Exit codes: 0 clean, 1 failed, 2 wrong flags or configuration.\n"
	_, err := io.WriteString(w, text)
	return err
}
