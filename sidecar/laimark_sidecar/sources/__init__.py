"""Readers of conversation logs, each with a durable cursor, and the watcher that wakes them."""
