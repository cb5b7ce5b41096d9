"""A sidecar that turns your own conversations into better adapters, one gated version at a time."""

__version__ = "0.1.0"
