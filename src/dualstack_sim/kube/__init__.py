"""The simulated Kubernetes API: one server that plays garden, seed and shoot cluster.

`KubeStore` (store) holds the objects and all rules, `create_app` (server) serves it over HTTP to kubectl, lightkube,
kopf and anything else that speaks JSON. Where it is simpler than the real server:

- Owner collection, CustomResourceDefinitions, budgets: what upstream's controllers do after a moment happens at once.
- Pods on a node (`spec.nodeName`) wait for their kubelet's final delete; nobody schedules, nobody runs anything.
- Custom resources are stored as they come: no schema validation, pruning, defaulting or conversion between versions.
- Server-side apply tracks appliers only (apply), validation covers what the migration can run into (validation).
- No authentication or authorization: every request is the one user's, who may do everything.
- `timeoutSeconds` of a watch and the interval of bookmarks are wall time; every other time is the clock's.
- An Event lives an hour from its creation; the history that watches start from is bounded for each type.
"""
