"""`python -m bench.costs` measures every function and writes docs/costs.md."""

from __future__ import annotations

import os
import sys

import pytest

from tests.costs.cost_page import WRITE_VARIABLE

if __name__ == "__main__":
    os.environ[WRITE_VARIABLE] = "1"
    # One process: each measurement adds its row to the same file.
    sys.exit(pytest.main(["tests/costs", "-q", "-p", "no:xdist", *sys.argv[1:]]))
