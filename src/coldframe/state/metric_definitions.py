"""Metric definitions of a training job: which value a line of its log holds, if any.

The patterns are the customer's, and one such as `(a+)+$` may take years on a line of forty characters. The `regex`
package stops a match after a time limit, which Python's own `re` cannot.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LONGEST_MATCH_SECONDS = 0.05
STRIKES = 3
"""Matches that may take too long before a pattern is given up."""
LONGEST_LINE = 16 * 1024
"""Characters of a line that are looked at."""


@dataclass(slots=True)
class MetricDefinition:
    """One metric, and what was seen of it."""

    name: str
    pattern: Any
    value: float | None = None
    seen_at: float = 0.0
    strikes: int = 0


def compile_definitions(definitions: Sequence[dict[str, str]]) -> list[MetricDefinition]:
    """Definitions as CreateTrainingJob gives them. ValueError, in a sentence, for a pattern that is none."""
    return [MetricDefinition(one["Name"], _compiled(one)) for one in definitions]


def scan(definitions: Sequence[MetricDefinition], line: str, written_at: float) -> list[str]:
    """Look for every metric in a line and remember the last value of each. Returns complaints, one sentence each."""
    complaints: list[str] = []
    for definition in definitions:
        if definition.strikes >= STRIKES:
            continue
        try:
            match = definition.pattern.search(line[:LONGEST_LINE], timeout=LONGEST_MATCH_SECONDS, concurrent=True)
        except TimeoutError:
            definition.strikes += 1
            if definition.strikes == STRIKES:
                complaints.append(
                    f"The regex of metric {definition.name!r} takes too long on lines of this log and is not "
                    "looked for any more."
                )
            continue
        if match is not None and (value := _value(match)) is not None:
            definition.value = value
            definition.seen_at = written_at
    return complaints


def final_metrics(definitions: Sequence[MetricDefinition]) -> list[dict[str, Any]]:
    """FinalMetricDataList: the last value of each metric that was seen; times as floats."""
    return [
        {"MetricName": one.name, "Value": one.value, "Timestamp": one.seen_at}
        for one in definitions
        if one.value is not None
    ]


def _compiled(definition: dict[str, str]) -> Any:
    import regex  # noqa: PLC0415 - takes longer to load than a server should take to start

    try:
        return regex.compile(definition["Regex"])
    except regex.error as error:
        raise ValueError(f"The regex {definition['Regex']!r} of metric {definition['Name']!r}: {error}") from None


def _value(match: Any) -> float | None:
    text = match.group(1) if match.re.groups else match.group(0)
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None
