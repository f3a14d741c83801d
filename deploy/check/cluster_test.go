package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/yaml"
)

// cluster is an API server that may be written to. What it warns of is kept.
type cluster struct {
	client dynamic.Interface
	kinds  meta.RESTMapper

	mu       sync.Mutex
	warnings []string
}

// HandleWarningHeader implements rest.WarningHandler.
func (c *cluster) HandleWarningHeader(_ int, _, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.warnings = append(c.warnings, text)
}

// theCluster is the one of CHECK_KUBECONFIG. It has to be one to throw away, since
// namespaces are made in it, and has to know the kinds of KEDA and of the
// Prometheus Operator. An API server without nodes and controllers will do.
func theCluster(t *testing.T) *cluster {
	t.Helper()
	path := os.Getenv("CHECK_KUBECONFIG")
	if path == "" {
		t.Skip("SKIPPED: CHECK_KUBECONFIG names no cluster")
	}
	c := &cluster{}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	config.WarningHandler = c
	if c.client, err = dynamic.NewForConfig(config); err == nil {
		c.kinds, err = kindsOf(config)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func kindsOf(config *rest.Config) (meta.RESTMapper, error) {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	groups, err := restmapper.GetAPIGroupResources(client)
	return restmapper.NewDiscoveryRESTMapper(groups), err
}

// apply is "kubectl apply --server-side --validate=strict".
func (c *cluster) apply(ctx context.Context, object *unstructured.Unstructured, dryRun ...string) error {
	kind := object.GroupVersionKind()
	found, err := c.kinds.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	var resource dynamic.ResourceInterface = c.client.Resource(found.Resource)
	if found.Scope.Name() == meta.RESTScopeNameNamespace {
		resource = c.client.Resource(found.Resource).Namespace(object.GetNamespace())
	}
	text, err := object.MarshalJSON()
	if err != nil {
		return err
	}
	_, err = resource.Patch(ctx, object.GetName(), types.ApplyPatchType, text, metav1.PatchOptions{
		FieldManager: "check", FieldValidation: metav1.FieldValidationStrict, DryRun: dryRun,
	})
	if err != nil {
		return fmt.Errorf("%s %s: %w", kind.Kind, object.GetName(), err)
	}
	return nil
}

// said returns the warnings since it was asked last.
func (c *cluster) said() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	said := c.warnings
	c.warnings = nil
	return said
}

// An API server takes each environment as kubectl sends it, without a warning,
// and takes it again, as it is done with every update. No controller has to be
// there, so the pods that would come of it are sent as pods too: only then is
// Pod Security asked.
func TestAnAPIServerTakesEachOverlay(t *testing.T) {
	c := theCluster(t)
	for _, overlay := range overlays {
		t.Run(overlay, func(t *testing.T) {
			objects := manifests(t, overlay)
			for _, turn := range []string{"first", "second"} {
				for _, object := range objects {
					if err := c.apply(t.Context(), object); err != nil {
						t.Errorf("the %s time: %v", turn, err)
					}
				}
			}
			account := raw(t, "v1", "ServiceAccount", "default", objects)
			if err := c.apply(t.Context(), account); err != nil {
				t.Fatal(err)
			}
			for _, pod := range podsFrom(t, objects) {
				if err := c.apply(t.Context(), pod, metav1.DryRunAll); err != nil {
					t.Error(err)
				}
			}
			for _, warning := range c.said() {
				t.Errorf("the server warns: %s", warning)
			}
		})
	}
}

// A server that takes everything would make the test above worthless.
func TestTheAPIServerIsAskedForPodSecurity(t *testing.T) {
	c := theCluster(t)
	objects := manifests(t, "prod")
	for _, object := range objects {
		if err := c.apply(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	pod := podsFrom(t, objects)[0]
	if err := unstructured.SetNestedField(pod.Object, true, "spec", "hostNetwork"); err != nil {
		t.Fatal(err)
	}
	if err := c.apply(t.Context(), pod, metav1.DryRunAll); err == nil || !strings.Contains(err.Error(), "restricted") {
		t.Errorf("a pod in the network of its node: %v", err)
	}
}

// manifests are the objects of an overlay, the namespace first.
func manifests(t *testing.T, overlay string) []*unstructured.Unstructured {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(tree(t), "/deploy/k8s/overlays/"+overlay)
	if err != nil {
		t.Fatal(err)
	}
	var objects []*unstructured.Unstructured
	for _, resource := range resources.Resources() {
		text, err := resource.AsYAML()
		object := &unstructured.Unstructured{}
		if err = errors.Join(err, yaml.Unmarshal(text, &object.Object)); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object)
	}
	slices.SortStableFunc(objects, func(a, b *unstructured.Unstructured) int { return rank(a) - rank(b) })
	return objects
}

func rank(object *unstructured.Unstructured) int {
	if object.GetKind() == "Namespace" {
		return 0
	}
	return 1
}

// podsFrom are the pods that controllers would make of these objects.
func podsFrom(t *testing.T, objects []*unstructured.Unstructured) []*unstructured.Unstructured {
	t.Helper()
	var pods []*unstructured.Unstructured
	for _, object := range objects {
		template, found, err := unstructured.NestedMap(object.Object, "spec", "template")
		if err != nil {
			t.Fatal(err)
		}
		if !found {
			continue
		}
		pod := raw(t, "v1", "Pod", object.GetName()+"-0", objects)
		pod.Object["spec"] = withClaims(t, object, template["spec"].(map[string]any))
		pods = append(pods, pod)
	}
	if len(pods) < 3 {
		t.Fatalf("only %d pods come of this", len(pods))
	}
	return pods
}

// withClaims adds the volumes that a StatefulSet makes for its pods.
func withClaims(t *testing.T, of *unstructured.Unstructured, spec map[string]any) map[string]any {
	t.Helper()
	claims, _, err := unstructured.NestedSlice(of.Object, "spec", "volumeClaimTemplates")
	if err != nil {
		t.Fatal(err)
	}
	volumes, _ := spec["volumes"].([]any)
	for _, claim := range claims {
		name, _, err := unstructured.NestedString(claim.(map[string]any), "metadata", "name")
		if err != nil {
			t.Fatal(err)
		}
		volume, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&core.Volume{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		volumes = append(volumes, volume)
	}
	spec["volumes"] = volumes
	return spec
}

// raw is an object with nothing but a name, in the namespace of the others.
func raw(t *testing.T, version, kind, name string, beside []*unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(version)
	object.SetKind(kind)
	object.SetName(name)
	object.SetNamespace(beside[0].GetName())
	return object
}
