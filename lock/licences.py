"""Write what licences the packages of a serving process are under: `make licences`.

Reads the metadata of the packages that are installed where it runs, which the locks did install.
"""

import re
import sys
from importlib.metadata import PackageMetadata, metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
LICENCES = ROOT / "service" / "deploy" / "licences.md"
_ABOUT = """# Licences of what a serving process installs

Written by `make licences` from the packages' own metadata, not by hand. report-qa itself: Apache-2.0
(`LICENSE`). In the bundle: the encoder all-MiniLM-L6-v2 (Apache-2.0) with the adapter of
`indexer/adapter.md`, the list of English words of symspellpy (MIT), and the reports, each with its rights.

| package | version | licence |
|---|---|---|
"""


def pins(lock: str) -> dict[str, str]:
    """Name and version of each package of a lock file that is installed here."""
    lines = re.findall(r"^[\w.-]+==[^\\\n]+", lock, re.M)
    asked = [Requirement(line) for line in lines]
    return {
        each.name: str(each.specifier).removeprefix("==")
        for each in asked
        if each.marker is None or each.marker.evaluate()
    }


def licence(about: PackageMetadata) -> str:
    """The licence of a package, as its metadata tell it."""
    if expression := about.get("License-Expression"):
        return expression
    classified = [c.split(" :: ")[-1] for c in about.get_all("Classifier", []) if c.startswith("License :: ")]
    named = [name for name in classified if name != "OSI Approved"]
    first = (about.get("License") or "").strip().split("\n")[0]
    return " AND ".join(named) or first or "not told"


def main() -> None:
    """Write the table."""
    rows = []
    for name, version in sorted(pins((ROOT / "lock" / "serve.txt").read_text("utf-8")).items()):
        about = metadata(name)
        if about["Version"] != version:
            sys.exit(
                f"{name} {about['Version']} is installed, {version} is locked; run it by `make licences`"
            )
        rows.append(f"| {name} | {version} | {licence(about)} |\n")
    LICENCES.write_text(_ABOUT + "".join(rows), "utf-8")


if __name__ == "__main__":
    main()
