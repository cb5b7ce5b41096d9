"""`python -m laimark_sidecar` is the `laimark-sidecar` command."""

from laimark_sidecar.cli import main

if __name__ == "__main__":
    main()
