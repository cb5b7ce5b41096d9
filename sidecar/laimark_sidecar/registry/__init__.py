"""Git for adapters: content-addressed objects, immutable versions, refs that move, and a log of every move."""
