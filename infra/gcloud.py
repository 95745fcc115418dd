"""Google's and HashiCorp's own programs, run as whoever is signed in. (The pipeline calls this with a bare Python.)"""

from __future__ import annotations

import shutil
import subprocess


def program(name: str) -> str:
    """Where it is installed."""
    found = shutil.which(name)
    if found is None:
        raise RuntimeError(f"{name} is not installed")
    return found


def gcloud(*arguments: str) -> str:
    """What it prints; RuntimeError with what it complains of."""
    done = subprocess.run((program("gcloud"), *arguments), check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"gcloud {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")
    return done.stdout
