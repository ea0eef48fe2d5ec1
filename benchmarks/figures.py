"""A measured figure, what it is held against, and how both are shown."""

import json
import platform
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

console = Console(width=140)


@dataclass(frozen=True)
class Figure:
    """One line of the report."""

    name: str
    value: float
    unit: str
    reference_name: str = ""
    reference: float | None = None
    aim: str = ""
    """What is designed for, in words."""
    met: bool | None = None
    """Whether the aim is reached; nothing when there is no aim."""
    samples: list[float] = field(default_factory=list)
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours over the reference's."""
        return self.value / self.reference if self.reference else None


def middle(samples: list[float]) -> float:
    """The median."""
    return float(median(samples))


def show(title: str, figures: list[Figure]) -> None:
    """Print figures as a table."""
    table = Table(title=title, title_justify="left", show_lines=False)
    for heading in ("what", "figure", "beside", "ratio", "aim", "reached"):
        table.add_column(heading, justify="left" if heading in {"what", "beside", "aim"} else "right", overflow="fold")
    for figure in figures:
        reference = (
            f"{figure.reference_name} {readable(figure.reference)}" if figure.reference is not None else figure.note
        )
        table.add_row(
            figure.name,
            f"{readable(figure.value)} {figure.unit}",
            reference,
            f"{figure.ratio:.2f}" if figure.ratio is not None else "",
            figure.aim,
            {True: "yes", False: "no", None: ""}[figure.met],
        )
    console.print(table)


def readable(value: float | None) -> str:
    """Three digits or so."""
    if value is None:
        return ""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def save(path: Path, groups: dict[str, list[Figure]]) -> None:
    """Keep the figures with what they were measured on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {"platform": platform.platform(), "processor": _processor(), "python": platform.python_version()},
        "versions": {name: _version(name) for name in ("coldframe", "botocore", "uvicorn", "uvloop", "torch")},
        "figures": {title: [asdict(figure) for figure in figures] for title, figures in groups.items()},
    }
    path.write_text(json.dumps(content, indent=2))


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
