"""The use cases: ingest, cycle, promote, roll back. The one part that knows all others."""
