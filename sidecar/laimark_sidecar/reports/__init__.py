"""What happened, for people: pictures and tables."""
