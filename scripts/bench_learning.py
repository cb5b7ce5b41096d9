"""The learning benchmark from a checkout: `python -m scripts.bench_learning`, equal to `python -m laimark_sidecar.bench`.

Question, regime and ceiling are in `laimark_sidecar/bench/__main__.py`.
"""

from __future__ import annotations

import sys

from laimark_sidecar.bench.__main__ import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
