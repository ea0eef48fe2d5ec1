"""Numbers, truth values, timestamps and bytes as AWS's protocols write them."""

import binascii
import math
import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_ISO8601 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    r"(?:[Zz]|([+-][0-9]{2}):?([0-9]{2}))?)?"
)
_SPECIAL_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_BOUNDS = {"integer": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}


class WrongValue(Exception):
    """A value that is not of its shape's type. The structures around it add their member's name to `path`."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.path: list[str] = []

    def explained(self) -> str:
        """The message, with the place of the value where it is known."""
        if not self.path:
            return self.message
        return f"{self.message} (at '{'.'.join(reversed(self.path))}')"


def integer_in_bounds(value: int, kind: str) -> int:
    """The value, if it fits the `integer` or `long` that the model says."""
    low, high = _BOUNDS[kind]
    if low <= value <= high:
        return value
    raise WrongValue(f"The number does not fit into {'32' if kind == 'integer' else '64'} bits")


def integer_from_text(text: str, kind: str) -> int:
    """An integer from a query string, header, form or XML document."""
    stripped = text.strip()
    if _INTEGER.fullmatch(stripped) is None:
        raise WrongValue(f"'{_short(text)}' is not an integer")
    return integer_in_bounds(int(stripped), kind)


def float_from_text(text: str) -> float:
    """A floating-point number from text, AWS's three special ones included."""
    stripped = text.strip()
    if stripped in _SPECIAL_FLOATS:
        return _SPECIAL_FLOATS[stripped]
    if _NUMBER.fullmatch(stripped) is None:
        raise WrongValue(f"'{_short(text)}' is not a number")
    return float(stripped)


def float_to_text(value: float) -> str:
    """A floating-point number as text."""
    number = float(value)
    if math.isfinite(number):
        return repr(number)
    return str(special_float_name(number))


def special_float_name(value: float) -> str:
    """What AWS calls a floating-point number that is not finite."""
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def boolean_from_text(text: str) -> bool:
    """A truth value from text."""
    lowered = text.strip().lower()
    if lowered == "true":
        return True
    if lowered == "false":
        return False
    raise WrongValue(f"'{_short(text)}' is not a boolean")


def bytes_from_base64(text: str) -> bytes:
    """The bytes that a base64 text stands for; nothing but its alphabet, and its padding, is let through."""
    try:
        return binascii.a2b_base64(text.strip().encode("ascii"), strict_mode=True)
    except (ValueError, UnicodeEncodeError) as error:
        raise WrongValue("The value is not valid base64") from error


def base64_from_bytes(value: Any) -> str:
    """Bytes, or text as its UTF-8 bytes, in base64."""
    content = value.encode() if isinstance(value, str) else bytes(value)
    return b64encode(content).decode("ascii")


def timestamp_from_number(value: float) -> datetime:
    """A moment from seconds since 1970 UTC."""
    try:
        return EPOCH + timedelta(seconds=value)
    except (OverflowError, ValueError) as error:
        raise WrongValue("The timestamp is out of range") from error


def date_from_header(text: str) -> datetime:
    """A moment from a header, where a bare number is no date."""
    if _NUMBER.fullmatch(text.strip()) is not None:
        raise WrongValue(f"'{_short(text)}' is not a valid date")
    return timestamp_from_text(text)


def timestamp_from_text(text: str) -> datetime:
    """A moment from text: ISO 8601, an HTTP date, or seconds since 1970 UTC, whichever it looks like."""
    stripped = text.strip()
    if len(stripped) <= 40:
        found = _ISO8601.fullmatch(stripped)
        if found is not None:
            return _from_iso8601(found, text)
        if _NUMBER.fullmatch(stripped) is not None:
            return timestamp_from_number(float(stripped))
        try:
            moment = parsedate_to_datetime(stripped)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, TypeError, IndexError, OverflowError):
            pass
    raise WrongValue(f"'{_short(text)}' is not a valid timestamp")


def _from_iso8601(found: re.Match[str], text: str) -> datetime:
    year, month, day, hour, minute, second, fraction, offset_hours, offset_minutes = found.groups()
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "0")[:6].ljust(6, "0")),
            tzinfo=UTC,
        )
        if offset_hours:
            minutes = int(offset_hours[1:]) * 60 + int(offset_minutes)
            moment -= timedelta(minutes=minutes if offset_hours[0] == "+" else -minutes)
    except (ValueError, OverflowError) as error:
        raise WrongValue(f"'{_short(text)}' is not a valid timestamp") from error
    return moment


def seconds_of(value: Any) -> float:
    """A moment, given as seconds since 1970 UTC or as an aware datetime, in seconds."""
    if isinstance(value, datetime):
        elapsed = value - EPOCH  # the microseconds stay whole, which `timestamp()` does not promise
        return (elapsed.days * 86_400_000_000 + elapsed.seconds * 1_000_000 + elapsed.microseconds) / 1_000_000
    return float(value)


def timestamp_to_text(value: Any, style: str, *, always_milliseconds: bool = False) -> str:
    """A moment as `iso8601`, `rfc822` or `unixtimestamp` text.

    Text is passed on as it is: S3 gives back an Expires header as it was stored.
    """
    if isinstance(value, str):
        return value
    if style == "rfc822":
        return _http_date(int(seconds_of(value) // 1))
    if style == "unixtimestamp":
        return repr(number_of_timestamp(value))
    moment = value.astimezone(UTC) if isinstance(value, datetime) else timestamp_from_number(value)
    written = moment.replace(microsecond=0, tzinfo=None).isoformat()
    if always_milliseconds or moment.microsecond:
        return f"{written}.{moment.microsecond // 1000:03d}Z"
    return f"{written}Z"


@lru_cache(maxsize=4096)
def _http_date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)  # some microseconds, which a much asked object need not cost each time


def number_of_timestamp(value: Any) -> float:
    """A moment as JSON writes it: seconds since 1970 UTC, to the millisecond, as AWS gives them."""
    seconds = round(seconds_of(value), 3)
    return int(seconds) if seconds.is_integer() else seconds


def _short(text: str) -> str:
    return text if len(text) <= 100 else text[:100] + "..."
