"""Reads pip-audit's report (JSON, standard input), says what it found, and what it could not ask.

    pip-audit --requirement constraints.txt --no-deps --disable-pip --format json | python .ci/audit.py

A known vulnerability fails. Where the service of known vulnerabilities does not answer (a machine without a way out, a
mirror that has only packages) nothing has been audited, and that is what is said: it fails only where
GENSWEEP_REQUIRE_AUDIT is set, since it says nothing against the packages.
"""

import json
import os
import sys
from typing import Any


def known_vulnerabilities(dependencies: list[dict[str, Any]]) -> list[str]:
    """One line for each: package, version, identifier, versions that are free of it."""
    return [
        f"{each['name']} {each['version']}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'no version'}"
        for each in dependencies
        for found in each.get("vulns", [])
    ]


def main() -> int:
    """0 if all was audited and nothing found, or nothing could be asked and need not be; else 1."""
    text = sys.stdin.read()
    dependencies = json.loads(text)["dependencies"] if text.strip() else []
    unasked = [each["name"] for each in dependencies if "skip_reason" in each]
    found = known_vulnerabilities(dependencies)
    for line in found:
        print(f"vulnerable: {line}")
    if found:
        return 1
    audited = len(dependencies) - len(unasked)
    if unasked or not dependencies:
        which = ": " + ", ".join(unasked) if 0 < len(unasked) <= 10 else ""
        print(f"DEPENDENCIES NOT AUDITED: the service answered for {audited} of {len(dependencies)} packages{which}")
        return 1 if os.environ.get("GENSWEEP_REQUIRE_AUDIT") else 0
    print(f"{audited} packages audited, no known vulnerability")
    return 0


if __name__ == "__main__":
    sys.exit(main())
