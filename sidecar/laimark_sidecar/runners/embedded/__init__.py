"""A server of our own over llama.cpp: one base in memory, an adapter chosen per request by the model's name."""
