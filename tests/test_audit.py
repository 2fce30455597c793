"""The dependency audit: what it says of pip-audit's report, and that silence is never taken for safety."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.command import ROOT

SOUND = {"name": "torch", "version": "2.14.1", "vulns": []}
SKIPPED = {"name": "ray", "skip_reason": "Dependency not found on PyPI and could not be audited: ray (2.60.0)"}
ISSUE = {"id": "CVE-2026-0001", "fix_versions": ["3.18.0"], "aliases": [], "description": "a hole"}
HOLE = {"name": "mlflow", "version": "3.17.2", "vulns": [ISSUE]}


@pytest.mark.parametrize(
    ("dependencies", "required", "code", "said"),
    [
        ([SOUND], "1", 0, "1 packages audited, no known vulnerability\n"),
        ([SOUND, HOLE], "", 1, "vulnerable: mlflow 3.17.2: CVE-2026-0001, fixed in 3.18.0\n"),
        ([SOUND, SKIPPED], "", 0, "DEPENDENCIES NOT AUDITED: the service answered for 1 of 2 packages: ray\n"),
        ([SKIPPED], "1", 1, "DEPENDENCIES NOT AUDITED: the service answered for 0 of 1 packages: ray\n"),
        (None, "", 0, "DEPENDENCIES NOT AUDITED: the service answered for 0 of 0 packages\n"),
        (None, "1", 1, "DEPENDENCIES NOT AUDITED: the service answered for 0 of 0 packages\n"),
    ],
)
def test_the_audit_says_what_it_found_and_what_it_could_not_ask(
    dependencies: list[dict[str, Any]] | None, required: str, code: int, said: str
) -> None:
    report = "" if dependencies is None else json.dumps({"dependencies": dependencies, "fixes": []})
    audit = subprocess.run(
        [sys.executable, ".ci/audit.py"],
        cwd=ROOT,
        env={"GENSWEEP_REQUIRE_AUDIT": required},
        input=report,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (audit.returncode, audit.stdout, audit.stderr) == (code, said, "")
