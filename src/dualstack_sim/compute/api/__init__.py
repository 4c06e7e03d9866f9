"""The API: paths, methods, request bodies, lists, operations, errors, faults. `methods` is the map."""
