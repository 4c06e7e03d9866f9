"""A simulated Compute Engine: the part of the `compute` API that Kubernetes networking uses.

`api.backend.Compute` implements it without HTTP, `api.server.create_app` serves it under the real paths, and
`api.methods` maps each method to the code that implements it.
"""
