"""The API itself: paths, methods, request bodies, lists, operations, errors, faults."""
