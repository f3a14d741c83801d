package boot

import (
	"runtime/debug"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// linkedVersion is set when a release is built:
//
//	go build -ldflags "-X github.com/tandemq/tandem/cmd/internal/boot.linkedVersion=v1.2.3"
var linkedVersion string

// Version says what was built.
type Version struct {
	Version  string `json:"version"`            // v1.2.3, or (devel)
	Commit   string `json:"commit,omitempty"`   // the git commit
	Time     string `json:"time,omitempty"`     // when it was committed
	Modified bool   `json:"modified,omitempty"` // there were changes that are not in it
	Go       string `json:"go"`
}

// ReadVersion reads what the linker and the go command left in the binary.
func ReadVersion() Version {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return versionOf(linkedVersion, info)
}

func versionOf(linked string, info *debug.BuildInfo) Version {
	v := Version{Version: linked, Go: info.GoVersion}
	if v.Version == "" {
		v.Version = info.Main.Version
	}
	if v.Version == "" {
		v.Version = "(devel)"
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

// String is one line for --version.
func (v Version) String() string {
	text := v.Version
	if v.Commit != "" {
		text += " " + v.Commit[:min(12, len(v.Commit))]
	}
	if v.Modified {
		text += " (modified)"
	}
	return strings.TrimSpace(text + " " + v.Go)
}

// NewRegistry returns a registry with the process, the Go runtime and
// tandem_build_info in it.
func NewRegistry(v Version) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tandem_build_info", Help: "What was built; always 1.",
		ConstLabels: prometheus.Labels{"version": v.Version, "commit": v.Commit, "go_version": v.Go},
	})
	build.Set(1)
	registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}
