"""The simulated Kubernetes API: one server for the garden, seed and shoot clusters.

The reason for one server is in docs/decisions/0003-one-api-server.md.
`KubeStore` (store) holds the objects and applies all rules; `create_app` (server) serves it over HTTP to kubectl,
lightkube, kopf and other clients that speak JSON. It is simpler than the real server in these points:

- Garbage collection, CustomResourceDefinitions and disruption budgets take effect at once, without the delay of
  upstream's controllers.
- The server has no scheduler and no kubelets. Pods with a node (`spec.nodeName`) wait for their kubelet's final delete.
- Custom resources are not converted between versions.
- Server-side apply tracks `Apply` managers only (server_side_apply); validation covers the rules that a migration can
  violate (validation).
- Without the option `rbac` (access), all requests come from one user with all permissions.
- `timeoutSeconds` of a watch and the bookmark interval are wall time; all other times are simulated.
- An Event expires one hour after its creation; the watch history of each type is bounded.
"""
