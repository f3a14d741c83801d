package storm

import (
	"path/filepath"
	"strconv"
	"time"
)

// NodeDir is where the official Node client is installed, seen from the packages
// of proof.
const NodeDir = "../../internal/jobs/interop/node"

// Node is the command line of a worker of the official Node client: "bullmq" is
// its newest major, "bullmq5" the one before. wrong is how wrong its clock is.
func Node(client string, lease, wrong time.Duration) func(url, dir string) []string {
	return func(url, dir string) []string {
		modules, err := filepath.Abs(filepath.Join(NodeDir, "package.json"))
		if err != nil {
			return nil
		}
		return []string{
			"node", "node/worker.mjs", modules, client, url, "bull", queue, dir,
			strconv.FormatInt(lease.Milliseconds(), 10), strconv.FormatInt(wrong.Milliseconds(), 10),
		}
	}
}
