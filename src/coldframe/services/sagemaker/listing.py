"""What SageMaker's List operations have in common: their filters, orders and pages."""

from datetime import UTC, datetime

from coldframe.calls import Parameters
from coldframe.services.pages import place_after
from coldframe.state.record_pages import PageQuery

DEFAULT_PAGE = 10
SORT_COLUMNS = {"Name": "name", "CreationTime": "created_at", "Status": "status"}
TIME_COLUMNS = {"CreationTime": "created_at", "LastModifiedTime": "modified_at"}


def page_query(parameters: Parameters) -> PageQuery:
    """The page that a List call asks for: newest first and ten at a time, unless it says otherwise."""
    times = {f"{name}{side}": (column, side) for name, column in TIME_COLUMNS.items() for side in ("After", "Before")}
    at_least: dict[str, float] = {}
    at_most: dict[str, float] = {}
    for name, (column, side) in times.items():
        if name in parameters:
            bounds = at_least if side == "After" else at_most
            bounds[column] = parameters[name].timestamp()
    return PageQuery(
        sort_column=SORT_COLUMNS[parameters.get("SortBy", "CreationTime")],
        descending=parameters.get("SortOrder", "Descending") == "Descending",
        limit=parameters.get("MaxResults", DEFAULT_PAGE),
        after=place_after(parameters),
        name_contains=parameters.get("NameContains", ""),
        at_least=at_least,
        at_most=at_most,
        equals={"status": parameters["StatusEquals"]} if "StatusEquals" in parameters else {},
    )


def moment(seconds: float) -> datetime:
    """A time as operations answer it."""
    return datetime.fromtimestamp(seconds, UTC)
