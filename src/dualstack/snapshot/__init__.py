"""One document with everything that the product reads of a cluster: taken from a live one or from files, and read again
in its place."""
