"""`coldframe doctor`: tells what this machine can do, and what each thing that it lacks means."""

import json
from typing import Annotated

import typer

from coldframe.cli.settings import DataDirectory, read_settings


def doctor(
    data_dir: DataDirectory = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Tell what this machine can do; each lack with its consequence and its cure. 1 if Coldframe cannot run here."""
    from coldframe.cli.examination import examine
    from coldframe.cli.findings import Severity

    findings = examine(read_settings(data_directory=data_dir))
    if as_json:
        print(json.dumps([finding.to_json() for finding in findings], indent=2))
    else:
        from coldframe.cli.findings_table import print_findings

        print_findings(findings)
    if any(finding.severity is Severity.FATAL for finding in findings):
        raise typer.Exit(1)
