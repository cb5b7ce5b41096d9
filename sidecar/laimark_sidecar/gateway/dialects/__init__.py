"""What the protocols say: pure parsers from the bytes of a request and its answer to what was asked and answered."""
