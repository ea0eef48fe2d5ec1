"""What a request claims of itself: who signed it, when, for which service, and which headers it signed."""

import calendar
import functools
import re
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
_TIMESTAMP = re.compile(r"\d{8}T\d{6}Z")
_CREDENTIAL_PARTS = 5


class MalformedClaimError(ValueError):
    """The Authorization header or the query's parameters are not of the form that AWS asks for.

    `part` names the faulty part: `type`, `parameters`, `credential`, `terminator`, `date`, `expires`.
    """

    def __init__(self, part: str, detail: str = "") -> None:
        super().__init__(f"{part}: {detail}")
        self.part = part
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Claim:
    """The part of an Authorization header, or of a presigned URL, that stays the same from request to request."""

    access_key_id: str
    date: str
    """Of the form 20150830."""
    region: str
    service: str
    """The signing name, such as `sagemaker` for the service sagemaker-runtime."""
    signed_headers: tuple[str, ...]
    """Names in lower case, sorted."""

    @property
    def credential_scope(self) -> str:
        """What the signing key is made for."""
        return f"{self.date}/{self.region}/{self.service}/{TERMINATOR}"

    @property
    def signed_headers_text(self) -> str:
        """The names joined as the canonical request has them."""
        return ";".join(self.signed_headers)


def parse_authorization(header: str) -> tuple[Claim, str]:
    """Read an Authorization header.

    Returns:
        The claim, and the signature as 64 hexadecimal digits (or whatever stands in their place).

    Raises:
        MalformedClaimError: it is no such header, or lacks a part.
    """
    algorithm, _, rest = header.partition(" ")
    if algorithm != ALGORITHM:
        raise MalformedClaimError("type", algorithm)
    parameters: dict[str, str] = {}
    for item in rest.split(","):
        name, _, value = item.strip().partition("=")
        parameters[name] = value
    missing = [name for name in ("Credential", "SignedHeaders", "Signature") if not parameters.get(name)]
    if missing:
        raise MalformedClaimError("parameters", " ".join(missing))
    return make_claim(parameters["Credential"], parameters["SignedHeaders"]), parameters["Signature"]


def make_claim(credential: str, signed_headers: str) -> Claim:
    """Read the two parts that a header and a presigned URL have in common."""
    parts = credential.rsplit("/", _CREDENTIAL_PARTS - 1)
    if len(parts) != _CREDENTIAL_PARTS or not all(parts[:2]):
        raise MalformedClaimError("credential", credential)
    access_key_id, date, region, service, terminator = parts
    if terminator != TERMINATOR:
        raise MalformedClaimError("terminator", terminator)
    return Claim(access_key_id, date, region, service, tuple(sorted(signed_headers.lower().split(";"))))


@dataclass(frozen=True, slots=True)
class Presigned:
    """What a presigned URL says in its query."""

    claim: Claim
    signature: str
    timestamp: str
    """Of the form 20150830T123600Z."""
    expires_seconds: int | None
    """How long it is good for; None where the URL does not say."""
    security_token: str


def is_presigned(query_string: str) -> bool:
    """Whether a query carries a signature of version 4."""
    return "X-Amz-" in query_string and ("X-Amz-Algorithm=" in query_string or "X-Amz-Signature=" in query_string)


def parse_presigned(query_string: str) -> Presigned:
    """Read the parameters of a presigned URL.

    Raises:
        MalformedClaimError: one lacks or is of a wrong form.
    """
    found: dict[str, str] = {}
    for item in query_string.split("&"):
        name, _, value = item.partition("=")
        if name.startswith("X-Amz-"):
            if name in found:
                raise MalformedClaimError("parameters", name)
            found[name] = unquote(value)
    needed = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature")
    missing = [name for name in needed if not found.get(name)]
    if missing:
        raise MalformedClaimError("parameters", " ".join(missing))
    if found["X-Amz-Algorithm"] != ALGORITHM:
        raise MalformedClaimError("type", found["X-Amz-Algorithm"])
    return Presigned(
        claim=make_claim(found["X-Amz-Credential"], found["X-Amz-SignedHeaders"]),
        signature=found["X-Amz-Signature"],
        timestamp=found["X-Amz-Date"],
        expires_seconds=_expires(found.get("X-Amz-Expires")),
        security_token=found.get("X-Amz-Security-Token", ""),
    )


def _expires(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"-?[0-9]{1,12}", text):
        raise MalformedClaimError("expires", "X-Amz-Expires should be a number")
    return int(text)


@functools.lru_cache(maxsize=256)  # under load, many requests carry the same second
def seconds_of(timestamp: str) -> float:
    """A timestamp of the form 20150830T123600Z as seconds since 1970 UTC.

    Raises:
        MalformedClaimError: it has another form, or names no real moment.
    """
    if not _TIMESTAMP.fullmatch(timestamp) or not timestamp.isascii():
        raise MalformedClaimError("date", timestamp)
    try:
        return float(calendar.timegm(time.strptime(timestamp, "%Y%m%dT%H%M%SZ")))
    except ValueError:
        raise MalformedClaimError("date", timestamp) from None


def timestamp_of(seconds: float) -> str:
    """The moment in the form 20150830T123600Z."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))


def timestamp_of_date_header(header: str) -> str:
    """The `Date` header, which may stand in for `x-amz-date`, in the form 20150830T123600Z."""
    if _TIMESTAMP.fullmatch(header):
        return header
    try:
        return timestamp_of(parsedate_to_datetime(header).timestamp())
    except (ValueError, OverflowError):
        raise MalformedClaimError("date", header) from None
