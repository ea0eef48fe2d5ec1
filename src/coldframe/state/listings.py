"""Pages of keys, rolled up at a delimiter; every page is made of index ranges only, however much is stored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from coldframe.state.key_text import AFTER_EVERY_KEY

NARROWEST_SCAN = 4
WIDEST_SCAN = 1001


class Keyed(Protocol):
    """Anything that a key finds."""

    @property
    def key(self) -> str:
        """The key."""
        ...


Entry = TypeVar("Entry", bound=Keyed)


@dataclass(slots=True)
class Page(Generic[Entry]):
    """One page of a listing."""

    entries: list[Entry] = field(default_factory=list)
    common_prefixes: list[str] = field(default_factory=list)
    truncated: bool = False
    last: str = ""
    """The last key or common prefix on the page."""
    last_is_prefix: bool = False

    @property
    def next_after(self) -> bytes:
        """Where the next page begins: all keys sort after these bytes."""
        return self.last.encode() + (AFTER_EVERY_KEY if self.last_is_prefix else b"")


def list_page(
    scan: Callable[[bytes, int], Sequence[Entry]], prefix: str, delimiter: str, after: bytes, limit: int
) -> Page[Entry]:
    """Make a page.

    Args:
        scan: gives so many entries that begin with the prefix and sort after some bytes, in the order of their keys.
        prefix: what every key of the listing begins with.
        delimiter: keys that are alike up to its first occurrence behind the prefix become one common prefix; empty
            for none.
        after: the page begins behind these bytes. If they lie in a common prefix, behind all of that.
        limit: how many keys and common prefixes there may be on the page together.
    """
    page: Page[Entry] = Page()
    if limit <= 0:
        return page
    after = _behind_common_prefix(after, prefix, delimiter)
    width = min(limit + 1, WIDEST_SCAN)
    while True:
        batch = scan(after, width)
        rolled_up = _fill(page, batch, prefix, delimiter, limit)
        if page.truncated or len(batch) < width:
            return page
        after = page.next_after
        # Where prefixes hold many keys, most of a wide scan is thrown away; where few, a narrow one asks often.
        width = max(NARROWEST_SCAN, width // 4) if rolled_up > width // 2 else min(width * 2, WIDEST_SCAN)


def _fill(page: Page[Entry], batch: Sequence[Entry], prefix: str, delimiter: str, limit: int) -> int:
    """Put a batch on the page until it is full; how many keys went into a common prefix that was on it already."""
    rolled_up = 0
    skip = len(prefix)
    for entry in batch:
        key = entry.key
        end = key.find(delimiter, skip) if delimiter else -1
        if end >= 0:
            name = key[: end + len(delimiter)]
            if page.last_is_prefix and name == page.last:
                rolled_up += 1
                continue
        else:
            name = key
        if len(page.entries) + len(page.common_prefixes) >= limit:
            page.truncated = True
            return rolled_up
        if end >= 0:
            page.common_prefixes.append(name)
        else:
            page.entries.append(entry)
        page.last, page.last_is_prefix = name, end >= 0
    return rolled_up


def _behind_common_prefix(after: bytes, prefix: str, delimiter: str) -> bytes:
    start = prefix.encode()
    if not delimiter or not after.startswith(start):
        return after
    end = after.find(delimiter.encode(), len(start))
    return after if end < 0 else after[: end + len(delimiter.encode())] + AFTER_EVERY_KEY
