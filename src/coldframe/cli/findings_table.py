"""Shows a doctor's findings to a person."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from coldframe.cli.findings import Finding, Severity

MARKS = {Severity.GOOD: "[green]ok[/]", Severity.LACK: "[yellow]lacks[/]", Severity.FATAL: "[red]stops[/]"}


def print_findings(findings: list[Finding]) -> None:
    """Print a line for each finding, and below it what a lack means and what cures it."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    for finding in findings:
        text = escape(finding.found)
        if finding.severity is not Severity.GOOD:
            text += f"\n[dim]Consequence:[/] {escape(finding.consequence)}\n[dim]Cure:[/] {escape(finding.cure)}"
        table.add_row(MARKS[finding.severity], finding.name, text)
    console = Console(highlight=False)
    console.print(table)
    lacks = sum(finding.severity is Severity.LACK for finding in findings)
    fatal = sum(finding.severity is Severity.FATAL for finding in findings)
    if fatal:
        console.print(f"\nColdframe cannot run here until {fatal} of these are mended.")
    elif lacks:
        console.print(f"\nColdframe runs here, with {lacks} of these lacking.")
    else:
        console.print("\nColdframe runs here, and nothing is lacking.")
