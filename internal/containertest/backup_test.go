//go:build containers

package containertest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// What docs/operations.md tells to do is done, to the letter: back up, lose
// everything, restore. Whoever had registered is there again, and the mails that
// were waiting go out.
func TestABackupBringsEverythingBack(t *testing.T) {
	c := composeUp(t)
	c.run("stop", "worker")
	var waiting []string
	for i := range 5 {
		address := fmt.Sprintf("user-%d@example.com", i)
		c.mustAdd(t, "/api/v1/emails", mail(address))
		waiting = append(waiting, address)
	}
	c.register(t, "Ada", "ada@example.com")

	dir := t.TempDir()
	redis, postgres := instructions(t, "Redis"), instructions(t, "PostgreSQL")
	c.follow(dir, postgres[0])
	c.follow(dir, redis[0])
	c.run("exec", "-T", "redis", "sh", "-c", "REDISCLI_AUTH=$(cat /run/keys/redis_password) redis-cli flushall")
	c.run("exec", "-T", "postgres", "psql", "-U", "tandem", "-qc", "TRUNCATE users CASCADE")
	c.follow(dir, strings.TrimSuffix(postgres[1], "docker compose up -d --wait\n"))
	c.follow(dir, redis[1])

	for _, address := range waiting {
		c.getsMail(t, address, 30*time.Second)
	}
	if file := c.exports(); !strings.Contains(file, "ada@example.com") {
		t.Errorf("Ada is not there any more:\n%s", file)
	}
}

// instructions are the commands of a section about backups: how one is made, and
// how it is restored.
func instructions(t *testing.T, section string) []string {
	t.Helper()
	page, err := os.ReadFile(root + "/docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, chapter, _ := strings.Cut(string(page), "\n## Backup and restore\n")
	_, rest, found := strings.Cut(chapter, "\n### "+section+"\n")
	if !found {
		t.Fatalf("there is nothing about backups of %s", section)
	}
	rest, _, _ = strings.Cut(rest, "\n### ")
	var blocks []string
	for _, part := range strings.Split(rest, "```sh\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		blocks = append(blocks, strings.ReplaceAll(block, "$(date +%F)", "2026-11-24"))
	}
	if len(blocks) != 2 {
		t.Fatalf("the section about %s has %d blocks of commands", section, len(blocks))
	}
	return blocks
}

// follow runs commands as they are on the page, in a directory.
func (c *composed) follow(dir, commands string) {
	c.t.Helper()
	here := strings.Join(c.command, " ")
	command := exec.CommandContext(c.t.Context(), "bash", "-euo", "pipefail", "-c", strings.ReplaceAll(commands, "docker compose", here))
	command.Dir, command.Env = dir, append(os.Environ(), c.env...)
	if said, err := command.CombinedOutput(); err != nil {
		c.t.Fatalf("%v\n%s\n%s", err, commands, said)
	}
}
