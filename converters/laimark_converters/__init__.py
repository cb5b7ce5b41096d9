"""Adapters and base models into GGUF: numpy, gguf and safetensors; no torch; knows nothing of the sidecar."""
