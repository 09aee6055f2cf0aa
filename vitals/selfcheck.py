"""Start-up check of the installation.

The top-level package names are common words, so another wheel could overwrite one of them. The
program is installed as an application in an environment of its own, and refuses to run mixed.
"""

from __future__ import annotations

from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

from vitals.errors import InstallError

PACKAGES = ("vitals", "devices", "dashboard", "simulators")
DISTRIBUTION = "kap-vitals"


def check_install() -> None:
    """Checks that each package has one owner and that all share one parent folder.

    Raises:
        InstallError: they do not, or one is missing.
    """
    parents: dict[Path, str] = {}
    for name in PACKAGES:
        spec = find_spec(name)
        folders = list(spec.submodule_search_locations or ()) if spec else []
        if len(folders) != 1:
            raise InstallError(
                f"the package {name!r} has {len(folders)} folders instead of one; install "
                f"{DISTRIBUTION} again in an environment of its own"
            )
        parents[Path(folders[0]).resolve().parent] = name
    if len(parents) > 1:
        places = ", ".join(f"{name} in {folder}" for folder, name in parents.items())
        raise InstallError(
            f"the packages come from different folders ({places}); install {DISTRIBUTION} again "
            "in an environment of its own"
        )
    owners = packages_distributions()
    for name in PACKAGES:
        others = set(owners.get(name, ())) - {DISTRIBUTION}
        if others:
            raise InstallError(
                f"{sorted(others)[0]!r} has a package called {name!r} too; install "
                f"{DISTRIBUTION} in an environment of its own"
            )
