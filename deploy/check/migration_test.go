package check

import (
	"regexp"
	"slices"
	"testing"

	batch "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
)

var firstApply = regexp.MustCompile(`(?s)kubectl apply -k deploy/k8s/overlays/prod -l '([^']+)'\n.* wait --for=condition=complete job/tandem-migrate.* kubectl apply -k deploy/k8s/overlays/prod &&\n`)

// The commands of docs/operations.md apply the migration with all that it needs,
// wait for it, and only then roll the services.
func TestTheMigrationIsAppliedBeforeTheServices(t *testing.T) {
	found := firstApply.FindStringSubmatch(read(t, "docs/operations.md"))
	if found == nil {
		t.Fatal("docs/operations.md does not apply in two steps, with a wait between them")
	}
	selector, err := labels.Parse(found[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, overlay := range []string{"prod", "keda", "monitoring"} {
		objects := render(t, overlay)
		var first []string
		for _, object := range objects {
			if about, err := meta.Accessor(object); err != nil {
				t.Fatal(err)
			} else if selector.Matches(labels.Set(about.GetLabels())) {
				first = append(first, object.GetObjectKind().GroupVersionKind().Kind+" "+about.GetName())
			}
		}
		for _, needed := range neededToMigrate(objects) {
			if !slices.Contains(first, needed) {
				t.Errorf("%s: %s is not in the first step: %q", overlay, needed, first)
			}
		}
		for _, later := range []string{"Deployment tandem-api", "Deployment tandem-worker"} {
			if slices.Contains(first, later) {
				t.Errorf("%s: %s does not wait for the migration", overlay, later)
			}
		}
	}
}

// neededToMigrate are the Job and what its pod cannot start without.
func neededToMigrate(objects []runtime.Object) []string {
	needed := []string{"Namespace tandem", "Job tandem-migrate", "NetworkPolicy tandem"}
	for _, j := range of[*batch.Job](objects) {
		needed = append(needed, "ServiceAccount "+j.Spec.Template.Spec.ServiceAccountName)
		for _, from := range j.Spec.Template.Spec.Containers[0].EnvFrom {
			needed = append(needed, "ConfigMap "+from.ConfigMapRef.Name)
		}
	}
	return needed
}
