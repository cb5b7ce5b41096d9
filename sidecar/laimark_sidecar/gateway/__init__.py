"""The recording gateway: a transparent reverse proxy in front of the user's runner, a process of its own."""
