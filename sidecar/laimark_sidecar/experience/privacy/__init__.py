"""Secrets and personal data: rules kept as data, and the engine that looks for them before anything is stored."""
