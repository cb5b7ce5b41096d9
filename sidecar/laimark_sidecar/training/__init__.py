"""Turns examples into an adapter: job files and launcher here, the training itself in a child process."""
