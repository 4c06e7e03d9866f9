"""The controllers and agents of a real cluster besides the product. They use both APIs over HTTP."""
