"""Runners: processes that serve the base and its adapters by name."""
