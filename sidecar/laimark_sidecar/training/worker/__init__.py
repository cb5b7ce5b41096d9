"""The training worker: a process, imported by nobody; the only home of torch, transformers and peft."""
