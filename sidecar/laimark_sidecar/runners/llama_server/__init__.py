"""llama.cpp's own server in router mode, started and stopped by the sidecar: a process for each name."""
