"""The description that MLflow shows of a study: question, key figure, verdicts, and links to its views.

MLflow 3.17 drops `data:` images from a description (its sanitiser admits http, https and relative addresses), but shows
an artifact by the address that its own pages use, relative to the server. So the figure is that of the report on the
study's run, whatever the server is called; and a small one, because no width can be given.
"""

from collections.abc import Mapping
from urllib.parse import quote

from orchestrator.report.build import PREVIEW, Report, ReportHeader
from orchestrator.report.document import Table, fragment, plain

NOTE = "mlflow.note.content"
LONGEST = 8000  # characters: MLflow silently cuts off more of a run's


def description(header: ReportHeader, report: Report, run_id: str, links: Mapping[str, str]) -> str:
    """As Markdown; verdicts that would make it too long are counted instead."""
    opened = "".join(f" [{plain(name)}]({address})" for name, address in links.items())
    address = artifact_address(run_id, f"report/{PREVIEW}")
    picture = [f"![key figure]({address})"] if PREVIEW in report.files else []
    # Closed, a description shows its first line; that of a run the first few.
    head = [plain(header.question), *picture, *([f"Open:{opened}"] if links else [])]
    head.append(f"Expected: {plain(header.expected)}")
    for shown in range(len(report.findings), -1, -1):
        text = "\n\n".join([*head, *_verdicts(report, shown)])
        if len(text) <= LONGEST:
            return text
    return "\n\n".join(head)[:LONGEST]


def artifact_address(run_id: str, path: str) -> str:
    """Where MLflow's pages find an artifact, relative to its server."""
    return f"get-artifact?path={quote(path, safe='')}&run_uuid={quote(run_id, safe='')}"


def _verdicts(report: Report, shown: int) -> list[str]:
    if not report.findings:
        return []
    rows = tuple((each.claim, each.verdict, each.published or "–", each.sentence) for each in report.findings[:shown])
    rest = len(report.findings) - shown
    more = [f"And {rest} more, in the report of this study's run."] if rest else []
    return [*([fragment([Table(("claim", "verdict", "published", "ours"), rows)])] if rows else []), *more]
