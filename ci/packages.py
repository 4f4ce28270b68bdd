"""The Python packages that pyproject.toml requires: ``packages.py LOCK`` fails and names those that do not work."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def wanted(lock: str, project: Path = PROJECT) -> list[str]:
    """The required packages by normalized name (PEP 503)."""
    declared = tomllib.loads((project / "pyproject.toml").read_text())
    own: list[str] = declared["project"]["dependencies"]
    groups: dict[str, list[str]] = declared["dependency-groups"]
    match lock:
        case "requirements-dev.lock":
            lines = own + groups["dev"]
        case "requirements-page.lock":
            lines = groups["page"]
        case _:
            lines = own
    return [_plain(re.split(r"[^A-Za-z0-9._-]", line)[0]) for line in lines]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def modules_of_packages() -> dict[str, list[str]]:
    """The modules of each installed package."""
    modules: dict[str, list[str]] = defaultdict(list)
    for module, packages in importlib.metadata.packages_distributions().items():
        for package in packages:
            modules[_plain(package)].append(module)
    return modules


def main(lock: str) -> int:
    modules = modules_of_packages()
    faults: list[str] = []
    for package in wanted(lock):
        try:
            importlib.metadata.distribution(package)
        except importlib.metadata.PackageNotFoundError:
            faults.append(f"the Python package {package} is missing")
        for module in modules[package]:
            try:
                importlib.import_module(module)
            except Exception as error:  # any error at import
                faults.append(f"the Python package {package} cannot be imported: {error!r}")
    print("\n".join(faults))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
