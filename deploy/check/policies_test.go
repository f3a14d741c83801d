package check

import (
	"slices"
	"testing"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// guarded are the environments with policies: in dev everybody may talk to everybody.
var guarded = []string{"prod", "keda", "monitoring"}

// stranger is a pod of somebody else, with no label but those that are known.
type stranger struct {
	namespace string
	pod       labels.Set
}

var prometheus = stranger{"monitoring", labels.Set{"app.kubernetes.io/name": "prometheus"}}

// kustomize writes our labels into every matchLabels of a policy that it is given,
// also into those that are meant for others.
func TestPoliciesLetOurPodsReachTheDNS(t *testing.T) {
	dns := stranger{"kube-system", labels.Set{"k8s-app": "kube-dns"}}
	for _, overlay := range guarded {
		var out []opening
		for _, p := range of[*networking.NetworkPolicy](render(t, overlay)) {
			for _, e := range p.Spec.Egress {
				out = append(out, opening{p.Namespace, e.To, e.Ports})
			}
		}
		for _, protocol := range []core.Protocol{core.ProtocolUDP, core.ProtocolTCP} {
			port := core.ContainerPort{Protocol: protocol, ContainerPort: 53}
			if !slices.ContainsFunc(out, func(o opening) bool { return o.admits(t, dns, port) }) {
				t.Errorf("%s: no policy says that our pods reach the DNS of the cluster at %s", overlay, protocol)
			}
		}
	}
}

// Metrics, profiles and what is wrong with a service are on the ops port: 8081 of
// the API, 8082 of the worker.
func TestOnlyMonitoringReachesTheOpsPort(t *testing.T) {
	for _, overlay := range guarded {
		objects := render(t, overlay)
		var seen []int32
		for _, w := range ours(objects) {
			for _, port := range w.pod.Spec.Containers[0].Ports {
				if port.Name != "ops" {
					continue
				}
				seen = append(seen, port.ContainerPort)
				if !reaches(t, objects, prometheus, w, port) {
					t.Errorf("%s: Prometheus does not reach the ops port of %s", overlay, w.name)
				}
				for what, who := range map[string]stranger{
					"a pod of another namespace": {"default", prometheus.pod},
					"a neighbour":                {"tandem", labels.Set{"app.kubernetes.io/name": "else"}},
					"the ingress controller":     {"ingress-nginx", labels.Set{"app.kubernetes.io/name": "ingress-nginx"}},
				} {
					if reaches(t, objects, who, w, port) {
						t.Errorf("%s: %s reaches the ops port of %s", overlay, what, w.name)
					}
				}
			}
		}
		if slices.Sort(seen); !slices.Equal(seen, []int32{8081, 8082}) {
			t.Errorf("%s: the ops ports are %v", overlay, seen)
		}
	}
}

// A policy that opens a port in another way than ours do must not pass unseen.
func TestEveryWayToOpenAPortIsUnderstood(t *testing.T) {
	named, number, other, last, udp := intstr.FromString("ops"), intstr.FromInt32(8081), intstr.FromInt32(8000), int32(8100), core.ProtocolUDP
	monitoring := []networking.NetworkPolicyPeer{{NamespaceSelector: &meta.LabelSelector{MatchLabels: labels.Set{"kubernetes.io/metadata.name": "monitoring"}}}}
	for name, test := range map[string]struct {
		from  []networking.NetworkPolicyPeer
		ports []networking.NetworkPolicyPort
		want  bool
	}{
		"everything":           {nil, nil, true},
		"by its name":          {nil, []networking.NetworkPolicyPort{{Port: &named}}, true},
		"by its number":        {nil, []networking.NetworkPolicyPort{{Port: &number}}, true},
		"as one of a range":    {nil, []networking.NetworkPolicyPort{{Port: &other, EndPort: &last}}, true},
		"as one of all":        {nil, []networking.NetworkPolicyPort{{}}, true},
		"to any network":       {[]networking.NetworkPolicyPeer{{IPBlock: &networking.IPBlock{CIDR: "0.0.0.0/0"}}}, nil, true},
		"to every namespace":   {[]networking.NetworkPolicyPeer{{NamespaceSelector: &meta.LabelSelector{}}}, nil, true},
		"to its own namespace": {[]networking.NetworkPolicyPeer{{PodSelector: &meta.LabelSelector{}}}, nil, false},
		"to another namespace": {monitoring, nil, false},
		"of another number":    {nil, []networking.NetworkPolicyPort{{Port: &other}}, false},
		"of another protocol":  {nil, []networking.NetworkPolicyPort{{Port: &number, Protocol: &udp}}, false},
	} {
		who := stranger{"default", labels.Set{}}
		o := opening{"tandem", test.from, test.ports}
		if got := o.admits(t, who, core.ContainerPort{Name: "ops", ContainerPort: 8081}); got != test.want {
			t.Errorf("a port that is opened %s: admits %v, want %v", name, got, test.want)
		}
	}
}

// reaches reports whether the policies let a pod at a port of one of ours. Where
// none is about that pod, everybody may.
func reaches(t *testing.T, objects []runtime.Object, who stranger, w workload, port core.ContainerPort) bool {
	t.Helper()
	open := true
	for _, p := range of[*networking.NetworkPolicy](objects) {
		if !selects(t, &p.Spec.PodSelector, w.pod.Labels) || !slices.Contains(p.Spec.PolicyTypes, networking.PolicyTypeIngress) {
			continue
		}
		open = false
		for _, rule := range p.Spec.Ingress {
			if (opening{p.Namespace, rule.From, rule.Ports}).admits(t, who, port) {
				return true
			}
		}
	}
	return open
}

// opening is a rule of a policy, for either direction. No peers are all, and no
// ports are all.
type opening struct {
	namespace string // of the policy
	peers     []networking.NetworkPolicyPeer
	ports     []networking.NetworkPolicyPort
}

func (o opening) admits(t *testing.T, who stranger, port core.ContainerPort) bool {
	t.Helper()
	peer := len(o.peers) == 0 || slices.ContainsFunc(o.peers, func(p networking.NetworkPolicyPeer) bool { return o.means(t, p, who) })
	return peer && (len(o.ports) == 0 || slices.ContainsFunc(o.ports, func(p networking.NetworkPolicyPort) bool { return includes(p, port) }))
}

// means reports whether a peer is the pod. Any pod can have an address of a network.
func (o opening) means(t *testing.T, p networking.NetworkPolicyPeer, who stranger) bool {
	t.Helper()
	namespace := who.namespace == o.namespace
	if p.NamespaceSelector != nil {
		namespace = selects(t, p.NamespaceSelector, labels.Set{"kubernetes.io/metadata.name": who.namespace})
	}
	return p.IPBlock != nil || namespace && (p.PodSelector == nil || selects(t, p.PodSelector, who.pod))
}

func includes(p networking.NetworkPolicyPort, port core.ContainerPort) bool {
	protocol, wanted := core.ProtocolTCP, core.ProtocolTCP
	if p.Protocol != nil {
		protocol = *p.Protocol
	}
	if port.Protocol != "" {
		wanted = port.Protocol
	}
	switch {
	case protocol != wanted:
		return false
	case p.Port == nil:
		return true
	case p.Port.Type == intstr.String:
		return p.Port.StrVal == port.Name
	case p.EndPort != nil:
		return p.Port.IntVal <= port.ContainerPort && port.ContainerPort <= *p.EndPort
	}
	return p.Port.IntVal == port.ContainerPort
}

func selects(t *testing.T, s *meta.LabelSelector, set labels.Set) bool {
	t.Helper()
	selector, err := meta.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return selector.Matches(set)
}
