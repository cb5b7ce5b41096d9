"""Ollama as a runner: its HTTP interface, and tuned names registered in it."""
