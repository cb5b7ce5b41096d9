"""What the user may choose: sections with defaults, checked when read, each refusal with its file and line."""
