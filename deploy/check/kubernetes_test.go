package check

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	keda "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// overlays are all environments that can be applied.
var overlays = []string{"dev", "prod", "keda", "monitoring"}

// generated are the secrets that make-keys.sh makes for the dev overlay.
var generated = []string{
	"redis_url", "database_url", "url_signing_key", "address_hash_key", "api_keys",
	"storage_url_files", "redis.conf", "redis_password", "postgres_password",
}

// tree is deploy/ in memory, with the generated secrets in it.
func tree(t *testing.T) filesys.FileSystem {
	t.Helper()
	memory := filesys.MakeFsInMemory()
	deploy := filepath.Join(root, "deploy")
	err := fs.WalkDir(os.DirFS(deploy), ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{"check", "bull-board", "secrets"}, entry.Name()):
			return fs.SkipDir
		case entry.IsDir():
			return nil
		}
		text, err := os.ReadFile(filepath.Join(deploy, path))
		if err != nil {
			return err
		}
		return memory.WriteFile("/deploy/"+path, text)
	})
	for _, name := range generated {
		if err == nil {
			err = memory.WriteFile("/deploy/k8s/overlays/dev/secrets/"+name, []byte("made up for "+name+"\n"))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return memory
}

// render is "kubectl kustomize", with every object decoded: a field that the type
// does not have, or that is there twice, is an error.
func render(t *testing.T, overlay string) []runtime.Object {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(tree(t), "/deploy/k8s/overlays/"+overlay)
	if err != nil {
		t.Fatal(err)
	}
	decoder := serializer.NewCodecFactory(schemes(t), serializer.EnableStrict).UniversalDeserializer()
	var objects []runtime.Object
	for _, resource := range resources.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		object, _, err := decoder.Decode(text, nil, nil)
		if err != nil {
			t.Errorf("%s: %v", resource.CurId(), err)
			continue
		}
		objects = append(objects, object)
	}
	return objects
}

func schemes(t *testing.T) *runtime.Scheme {
	t.Helper()
	all := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, keda.AddToScheme, monitoring.AddToScheme} {
		if err := add(all); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// of returns the objects of one type.
func of[T runtime.Object](objects []runtime.Object) []T {
	var some []T
	for _, object := range objects {
		if one, ok := object.(T); ok {
			some = append(some, one)
		}
	}
	return some
}

// eachOverlay runs a test on every environment.
func eachOverlay(t *testing.T, test func(t *testing.T, objects []runtime.Object)) {
	t.Helper()
	for _, overlay := range overlays {
		t.Run(overlay, func(t *testing.T) { test(t, render(t, overlay)) })
	}
}

// workload is a pod of ours and what runs it.
type workload struct {
	name string
	pod  core.PodTemplateSpec
}

// ours are the pods that run our images.
func ours(objects []runtime.Object) []workload {
	var all []workload
	for _, d := range of[*apps.Deployment](objects) {
		all = append(all, workload{d.Name, d.Spec.Template})
	}
	for _, j := range of[*batch.Job](objects) {
		all = append(all, workload{j.Name, j.Spec.Template})
	}
	return slices.DeleteFunc(all, func(w workload) bool { return !strings.HasPrefix(w.name, "tandem-") })
}

func TestManifestsAreWhatKubernetesKnows(t *testing.T) {
	eachOverlay(t, func(t *testing.T, objects []runtime.Object) {
		kinds := map[string]int{}
		for _, object := range objects {
			kinds[object.GetObjectKind().GroupVersionKind().Kind]++
		}
		for _, kind := range []string{"Deployment", "Service", "Job", "PodDisruptionBudget", "ConfigMap", "ServiceAccount", "Namespace"} {
			if kinds[kind] == 0 {
				t.Errorf("there is no %s among %v", kind, kinds)
			}
		}
		if names := ours(objects); len(names) != 3 {
			t.Errorf("%d workloads of ours, want api, worker and migrate", len(names))
		}
	})
}

// A decoder that lets everything pass would make the test above worthless.
func TestAMistypedFieldIsFound(t *testing.T) {
	decoder := serializer.NewCodecFactory(schemes(t), serializer.EnableStrict).UniversalDeserializer()
	for name, text := range map[string]string{
		"core": "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {port: 80}\n",
		"keda": "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: a}\nspec: {scaleTargetRef: {name: a}, triggers: [], minReplicas: 2}\n",
		"prom": "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: a}\nspec: {selector: {}, endpoints: [], intervals: 1m}\n",
		"kind": "apiVersion: apps/v1\nkind: Deploymnet\nmetadata: {name: a}\n",
	} {
		if _, _, err := decoder.Decode([]byte(text), nil, nil); err == nil {
			t.Errorf("%s: the mistake was not found", name)
		}
	}
}

func TestPodsAreRestricted(t *testing.T) {
	eachOverlay(t, func(t *testing.T, objects []runtime.Object) {
		for _, w := range ours(objects) {
			for _, problem := range unrestricted(w.pod.Spec) {
				t.Errorf("%s: %s", w.name, problem)
			}
		}
	})
}

// unrestricted is what keeps a pod from the Pod Security Standard "restricted",
// and from our own: a read-only root, no token, no variables of Services.
func unrestricted(pod core.PodSpec) []string {
	is := func(flag *bool, want bool) bool { return flag != nil && *flag == want }
	var problems []string
	demand := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	c := pod.SecurityContext
	demand(c != nil && is(c.RunAsNonRoot, true) && c.RunAsUser != nil && *c.RunAsUser == 65532, "may run as root")
	demand(c != nil && c.SeccompProfile != nil && c.SeccompProfile.Type == core.SeccompProfileTypeRuntimeDefault, "has no seccomp profile")
	demand(is(pod.AutomountServiceAccountToken, false), "gets a token of the cluster")
	demand(is(pod.EnableServiceLinks, false), "gets the variables of Services")
	demand(!pod.HostNetwork && !pod.HostPID && !pod.HostIPC, "shares namespaces of the host")
	for _, container := range pod.Containers {
		s := container.SecurityContext
		demand(s != nil && is(s.AllowPrivilegeEscalation, false), "%s may gain privileges", container.Name)
		demand(s != nil && is(s.ReadOnlyRootFilesystem, true), "%s may write to its root", container.Name)
		demand(s != nil && s.Capabilities != nil && slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}) && len(s.Capabilities.Add) == 0, "%s has capabilities", container.Name)
	}
	for _, volume := range pod.Volumes {
		demand(volume.HostPath == nil, "volume %s is a path of the host", volume.Name)
	}
	return problems
}

func TestAnUnrestrictedPodIsFound(t *testing.T) {
	if problems := unrestricted(core.PodSpec{HostPID: true, Containers: []core.Container{{Name: "a"}}}); len(problems) != 8 {
		t.Errorf("found %d problems of 8: %q", len(problems), problems)
	}
}

// Everything that a pod mounts or reads has to be there under that name.
func TestReferencesLead(t *testing.T) {
	eachOverlay(t, func(t *testing.T, objects []runtime.Object) {
		maps, secrets, claims := map[string]bool{}, map[string]bool{"tandem": true}, map[string]bool{}
		for _, m := range of[*core.ConfigMap](objects) {
			maps[m.Name] = true
		}
		for _, s := range of[*core.Secret](objects) {
			secrets[s.Name] = true
		}
		for _, c := range of[*core.PersistentVolumeClaim](objects) {
			claims[c.Name] = true
		}
		pods := ours(objects)
		for _, s := range of[*apps.StatefulSet](objects) {
			for _, template := range s.Spec.VolumeClaimTemplates {
				s.Spec.Template.Spec.Volumes = append(s.Spec.Template.Spec.Volumes, core.Volume{Name: template.Name})
			}
			pods = append(pods, workload{s.Name, s.Spec.Template})
		}
		for _, w := range pods {
			volumes := map[string]bool{}
			for _, v := range w.pod.Spec.Volumes {
				volumes[v.Name] = true
				switch {
				case v.ConfigMap != nil && !maps[v.ConfigMap.Name]:
					t.Errorf("%s: there is no ConfigMap %s", w.name, v.ConfigMap.Name)
				case v.Secret != nil && !secrets[v.Secret.SecretName]:
					t.Errorf("%s: there is no Secret %s", w.name, v.Secret.SecretName)
				case v.PersistentVolumeClaim != nil && !claims[v.PersistentVolumeClaim.ClaimName]:
					t.Errorf("%s: there is no claim %s", w.name, v.PersistentVolumeClaim.ClaimName)
				}
			}
			for _, c := range w.pod.Spec.Containers {
				for _, mount := range c.VolumeMounts {
					if !volumes[mount.Name] {
						t.Errorf("%s: there is no volume %s", w.name, mount.Name)
					}
				}
				for _, from := range c.EnvFrom {
					if from.ConfigMapRef != nil && !maps[from.ConfigMapRef.Name] {
						t.Errorf("%s: there is no ConfigMap %s", w.name, from.ConfigMapRef.Name)
					}
				}
			}
		}
	})
}

func TestTheSecretIsNotCommitted(t *testing.T) {
	if !bytes.Contains([]byte(read(t, "deploy/k8s/overlays/dev/.gitignore")), []byte("/secrets/")) {
		t.Error("the generated secrets of the dev overlay could be committed")
	}
	for _, overlay := range []string{"prod", "keda", "monitoring"} {
		if made := of[*core.Secret](render(t, overlay)); len(made) != 0 {
			t.Errorf("%s makes the Secret %s from files that are in the repository", overlay, made[0].Name)
		}
	}
}
