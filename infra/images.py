"""`python -m infra.images` (make images): Cloud Build makes the image of each bundle that has none yet.

An image is tagged with its bundle's digest. What did not change is not built again, and what was built once is there
for a roll-back. Reads what `terraform output -json build` says; calls gcloud as whoever runs it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from infra.gcloud import gcloud, program
from infra.offline import ROOT, TERRAFORM
from infra.plan import service_of

INDEX: Final = ROOT / "build" / "bundles" / "index.json"
RECIPE: Final = TERRAFORM / "build.yaml"
# More than Cloud Build runs side by side only wait there.
AT_ONCE: Final = 8


@dataclass(frozen=True)
class Build:
    """Where one bundle is, and which image it becomes."""

    function: str
    source: str
    image: str


@dataclass(frozen=True)
class Place:
    """What terraform/modules/images says of itself."""

    bucket: str
    images: str
    service_account: str

    @property
    def region(self) -> str:
        return self.images.partition("-docker.")[0]


def place() -> Place:
    """From the state of the environment that terraform/ was initialized for."""
    done = subprocess.run(
        (program("terraform"), f"-chdir={TERRAFORM}", "output", "-json", "build"),
        check=True,
        capture_output=True,
        text=True,
    )
    return Place(**json.loads(done.stdout))


def wanted(where: Place) -> list[Build]:
    """One build for each bundle."""
    return [
        Build(
            function=name,
            source=f"gs://{where.bucket}/{each['file']}",
            image=f"{where.images}/{service_of(name)}:{each['sha256'][:16]}",
        )
        for name, each in json.loads(INDEX.read_text()).items()
    ]


def present(where: Place) -> set[str]:
    """The images that exist, with their tags."""
    listing = gcloud("artifacts", "docker", "images", "list", where.images, "--include-tags", "--format=json")
    # Newer versions list tags, older ones join them with commas.
    found = ((each["package"], each.get("tags") or []) for each in json.loads(listing))
    split = ((package, tags.split(",") if isinstance(tags, str) else tags) for package, tags in found)
    return {f"{package}:{tag}" for package, tags in split for tag in tags}


def build(where: Place, each: Build) -> None:
    """Have it built, and wait until it is."""
    named = {"_IMAGE": each.image, "_TARGET": each.function, "_BUILDER": where.service_account}
    substitutions = ",".join(f"{name}={value}" for name, value in named.items())
    gcloud(
        *("builds", "submit", each.source, f"--config={RECIPE}", f"--region={where.region}", "--quiet"),
        f"--substitutions={substitutions}",
    )


def main() -> int:
    if not INDEX.exists():
        print("there are no bundles: run `make bundle` first", file=sys.stderr)
        return 1
    where = place()
    existing = present(where)
    missing = [each for each in wanted(where) if each.image not in existing]
    print(f"{len(missing)} images to build", flush=True)
    failed = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for each, done in [(each, pool.submit(build, where, each)) for each in missing]:
            failure = done.exception()
            failed += failure is not None
            print(f"{each.function:32} {failure or 'built'}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
