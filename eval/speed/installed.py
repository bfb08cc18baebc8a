"""How large packages are with all that they need: `python -m eval.speed.installed fastapi` prints bytes.

Counted as this environment has them, from the list of files that each was installed with. Runs in the
environment that has them.
"""

import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def size(requirements: Iterable[str]) -> int:
    """Bytes of the files of packages and of all packages that they need, each counted once."""
    waiting = [Requirement(text) for text in requirements]
    seen: set[tuple[str, frozenset[str]]] = set()
    sizes: dict[str, int] = {}
    while waiting:
        requirement = waiting.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen or (requirement.marker and not _holds(requirement, "")):
            continue
        seen.add((name, extras))
        try:
            found = distribution(name)
        except PackageNotFoundError:  # asked for only elsewhere
            continue
        files = (Path(str(found.locate_file(file))) for file in found.files or ())
        sizes[name] = sum(path.stat().st_size for path in files if path.is_file())
        for text in found.requires or ():
            needed = Requirement(text)
            if any(_holds(needed, extra) for extra in ("", *extras)):
                needed.marker = None
                waiting.append(needed)
    return sum(sizes.values())


def _holds(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


if __name__ == "__main__":
    print(size(sys.argv[1:]))
