// Package check holds what deploys Tandem against what it speaks of, without a
// cluster or an engine unless one is named:
//
//	deploy/k8s          rendered in process, decoded strictly into the types of
//	                    Kubernetes, KEDA and the Prometheus Operator, and compared
//	                    with the configuration: names of variables, timeouts, limits
//	                    With CHECK_KUBECONFIG, a cluster to throw away that knows
//	                    KEDA's and the operator's kinds: sent to its API server
//	docker-compose.yml  loaded as Docker Compose loads it, with every profile
//	alert rules         promtool, and a story for and against each alert
//	alerts, dashboard   every series and label that a query uses is in /metrics of
//	                    the real programs, started here on a real Redis
//	Dockerfile          what can be seen without building it
//
// It is a module of its own, so that the product's go.mod lists what the product
// needs. CHECK_STRICT=1 makes a missing promtool or redis-server a failure.
package check
