"""A simulated Compute Engine: the part of the `compute` API that Kubernetes networking lives on.

`backend.Compute` holds the semantics, `server.create_app` puts it on HTTP under the real paths.
"""
