"""The conversation log: append-only JSONL segments, their writer, and a reader with a durable cursor."""
