package redistest_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/tandemq/tandem/internal/redistest"
)

// asChild, set in the environment, makes this test binary start a server, tell
// its address and wait to be killed.
const asChild = "REDISTEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(asChild) != "" {
		os.Args = append(os.Args, "-test.run=^TestChild$")
	}
	redistest.Main(m)
}

func TestChild(t *testing.T) {
	if os.Getenv(asChild) == "" {
		return // TestServersDieWithTheTestBinary runs this in a process of its own
	}
	fmt.Println("ADDR", redistest.Own(t, redistest.Options{}).Addr)
	select {}
}
