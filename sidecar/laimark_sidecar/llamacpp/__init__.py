"""llama.cpp in this process: one loaded base, adapters switched on it, logits out. The only importer of llama_cpp."""
