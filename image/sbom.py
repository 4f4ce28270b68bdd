"""sbom.py ROOT NAME: a CycloneDX 1.5 bill of materials of a root, on standard output.

Debian packages, Python's, the libraries of the page, and the boot firmware by the day on which it was built, which its
package's version does not tell.
"""

from __future__ import annotations

import email.parser
import json
import os
import re
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote


def debian(root: Path) -> list[dict[str, str]]:
    parser = email.parser.HeaderParser()
    stanzas = (root / "var/lib/dpkg/status").read_text().split("\n\n")
    packages = [parser.parsestr(s) for s in stanzas if s.strip()]
    return [
        {
            "type": "library",
            "name": p["Package"],
            "version": p["Version"],
            "purl": f"pkg:deb/debian/{p['Package']}@{quote(p['Version'])}?arch={p['Architecture']}&distro=trixie",
        }
        for p in packages
        if p["Status"] == "install ok installed"
    ]


def python(root: Path) -> list[dict[str, str]]:
    parser = email.parser.HeaderParser()
    found = [parser.parsestr(m.read_text()) for m in root.glob("usr/lib/vpn-gateway/site/*.dist-info/METADATA")]
    return [
        {
            "type": "library",
            "name": p["Name"],
            "version": p["Version"],
            "purl": f"pkg:pypi/{p['Name'].lower()}@{p['Version']}",
        }
        for p in found
    ]


def page(root: Path) -> list[dict[str, object]]:
    """The libraries of the page, as ci/page_libraries.py lists them beside their licences."""
    listed = root / "usr/lib/vpn-gateway/app/web/static/vendor/libraries.json"
    return [
        {
            "type": "library",
            "name": p["name"],
            "version": p["version"],
            "licenses": [{"license": {"id": p["license"]}}],
            "purl": f"pkg:npm/{quote(p['name'])}@{p['version']}",
        }
        for p in json.loads(listed.read_text())
    ]


FIRMWARE = ("start.elf", "start_cd.elf", "start4.elf", "start4cd.elf")  # what image/assemble takes
BUILT = re.compile(rb"VC_BUILD_ID_TIME: ([A-Z][a-z]{2} +\d{1,2} \d{4})\0")
COMMIT = re.compile(rb"VC_BUILD_ID_VERSION: ([0-9a-f]{40})")


def firmware(root: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for name in FIRMWARE:
        content = (root / "usr/lib/raspi-firmware" / name).read_bytes()
        built, commit = BUILT.search(content), COMMIT.search(content)
        day = datetime.strptime(built[1].decode(), "%b %d %Y").date().isoformat() if built else "unknown"  # noqa: DTZ007 - a day
        found.append(
            {
                "type": "firmware",
                "name": name,
                "version": day,
                "description": f"Raspberry Pi boot firmware, commit {commit[1].decode() if commit else 'unknown'}",
                "purl": f"pkg:generic/raspberrypi/{name}@{day}",
            }
        )
    return found


def main(root: Path, name: str) -> None:
    parts = [*debian(root), *python(root), *page(root), *firmware(root)]
    components = sorted(parts, key=lambda c: str(c["purl"]))
    made = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)
    version = (root / "usr/lib/vpn-gateway/version").read_text().strip()
    listing = json.dumps(components, sort_keys=True)
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, name + listing)}",
        "version": 1,
        "metadata": {
            "timestamp": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {"type": "firmware", "name": "vpn-gateway", "version": version},
        },
        "components": components,
    }
    json.dump(bom, sys.stdout, indent=1, sort_keys=True)
    print()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
