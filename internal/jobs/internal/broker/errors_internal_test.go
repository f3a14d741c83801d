package broker

import (
	"errors"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tandemq/tandem/internal/jobs"
)

// answer is an error that a server gave.
type answer string

func (a answer) Error() string { return string(a) }
func (answer) RedisError()     {}

var _ redis.Error = answer("")

func TestWhatAServersAnswerMeans(t *testing.T) {
	tests := map[string]error{
		"READONLY You can't write against a read only replica. script: 5b1e": jobs.ErrReadOnly,
		"LOADING Redis is loading the dataset in memory":                     jobs.ErrLoading,
		// Redis 6.2, which wraps what a command in a script has answered
		"ERR Error running script (call to f_6b1b): @user_script:1: @user_script: 1: -READONLY You can't write against a read only replica.": jobs.ErrReadOnly,
		"ERR Error running script (call to f_6b1b): @user_script:9: @user_script: 9: -OOM command not allowed":                               jobs.ErrOutOfMemory,
		"ERR Error running script (call to f_6b1b): @user_script:9: @user_script: 9: -WRONGTYPE Operation against READONLY":                  nil,
		"WRONGTYPE Operation against a key": nil,
	}
	for text, want := range tests {
		err := meaning(answer(text))
		if want != nil && !errors.Is(err, want) || want == nil && errors.Is(err, jobs.ErrUnavailable) {
			t.Errorf("%s: %v, wanted %v", text, err, want)
		}
		if mayHaveRun(err) {
			t.Errorf("%s: counts as a lost reply", text)
		}
	}
}
