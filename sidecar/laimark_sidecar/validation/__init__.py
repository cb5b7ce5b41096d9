"""May this candidate serve? Evidence in, verdict out; the statistics are pure."""
