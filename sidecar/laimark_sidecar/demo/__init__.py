"""The demo: a scripted user works on real code, the sidecar learns from the conversation log, and every claim is checked."""
