"""Which lessons make up the next cycle: new ones, and replay of past ones."""
