"""Training of the demo base: a tiny chat model of the Python standard library."""
