package check

import (
	"slices"
	"testing"

	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// stranger is a pod of somebody else, with no label but those that are known.
type stranger struct {
	namespace string
	pod       labels.Set
}

// kustomize writes our labels into every matchLabels of a policy that it is given,
// also into those that are meant for others.
func TestPoliciesLetStrangersThroughByTheirOwnLabels(t *testing.T) {
	dns := stranger{"kube-system", labels.Set{"k8s-app": "kube-dns"}}
	prometheus := stranger{"monitoring", labels.Set{"app.kubernetes.io/name": "prometheus"}}
	for _, overlay := range []string{"prod", "keda", "monitoring"} {
		var out, in []opening
		for _, p := range of[*networking.NetworkPolicy](render(t, overlay)) {
			for _, e := range p.Spec.Egress {
				out = append(out, opening{e.To, e.Ports})
			}
			for _, i := range p.Spec.Ingress {
				in = append(in, opening{i.From, i.Ports})
			}
		}
		for _, want := range []struct {
			what  string
			rules []opening
			who   stranger
			port  string
		}{
			{"our pods reach the DNS of the cluster", out, dns, "UDP 53"},
			{"our pods reach the DNS of the cluster", out, dns, "TCP 53"},
			{"Prometheus reaches the ops port", in, prometheus, "TCP ops"},
		} {
			if !slices.ContainsFunc(want.rules, func(o opening) bool { return o.admits(t, want.who, want.port) }) {
				t.Errorf("%s: no policy says that %s at %s", overlay, want.what, want.port)
			}
		}
	}
}

// opening is a rule of a policy, for either direction.
type opening struct {
	peers []networking.NetworkPolicyPeer
	ports []networking.NetworkPolicyPort
}

func (o opening) admits(t *testing.T, who stranger, port string) bool {
	t.Helper()
	namespace := labels.Set{"kubernetes.io/metadata.name": who.namespace}
	return slices.ContainsFunc(o.peers, func(p networking.NetworkPolicyPeer) bool {
		return p.NamespaceSelector != nil && selects(t, p.NamespaceSelector, namespace) &&
			(p.PodSelector == nil || selects(t, p.PodSelector, who.pod))
	}) && slices.ContainsFunc(o.ports, func(p networking.NetworkPolicyPort) bool {
		return string(*p.Protocol)+" "+p.Port.String() == port
	})
}

func selects(t *testing.T, s *meta.LabelSelector, set labels.Set) bool {
	t.Helper()
	selector, err := meta.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return selector.Matches(set)
}
