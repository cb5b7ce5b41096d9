"""llama.cpp's own server, started and stopped by the sidecar: a process for each name (router mode), or one for all."""
