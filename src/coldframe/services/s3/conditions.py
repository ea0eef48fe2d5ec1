"""Conditional requests: on reading, on copying from, and on writing."""

from datetime import datetime

from coldframe.calls import Parameters
from coldframe.services.s3 import errors
from coldframe.services.s3.addressing import no_such_key
from coldframe.state.object_writes import Precondition
from coldframe.state.objects import ObjectRecord


def is_unmodified(parameters: Parameters, record: ObjectRecord) -> bool:
    """Whether a read is to be answered with 304. Raises PreconditionFailed where it must not be answered at all.

    As RFC 9110 has it, dates only count where there is no condition on the ETag of the same kind.
    """
    modified_at = int(record.last_modified)
    if_match, if_none_match = parameters.get("IfMatch"), parameters.get("IfNoneMatch")
    unmodified_since = _seconds(parameters.get("IfUnmodifiedSince"))
    modified_since = _seconds(parameters.get("IfModifiedSince"))
    if if_match is not None:
        if not etag_matches(if_match, record.etag):
            raise _failed("If-Match")
    elif unmodified_since is not None and modified_at > unmodified_since:
        raise _failed("If-Unmodified-Since")
    if if_none_match is not None:
        return etag_matches(if_none_match, record.etag)
    return modified_since is not None and modified_at <= modified_since


def check_copy_source(parameters: Parameters, record: ObjectRecord) -> None:
    """Raise PreconditionFailed if the source of a copy is not as the caller expects."""
    prefix = "CopySource"
    reading = {name[len(prefix) :]: value for name, value in parameters.items() if name.startswith(prefix + "If")}
    if is_unmodified(reading, record):
        raise _failed("x-amz-copy-source-If-None-Match" if "IfNoneMatch" in reading else "If-Modified-Since")


def write_precondition(parameters: Parameters) -> Precondition | None:
    """What must hold of the object that is there, for a write to happen; None where nothing must.

    To be asked before the bytes are taken in, to save them, and again within the transaction, to be sure.
    """
    if_match, if_none_match = parameters.get("IfMatch"), parameters.get("IfNoneMatch")
    if if_match is None and if_none_match is None:
        return None
    if if_none_match not in (None, "*"):
        raise errors.NotImplementedHere(what="If-None-Match with an ETag on a write; S3 itself takes nothing but *")

    def check(etag: str | None) -> None:
        if if_none_match is not None and etag is not None:
            raise _failed("If-None-Match")
        if if_match is not None:
            if etag is None:
                raise no_such_key(parameters["Key"])
            if not etag_matches(if_match, etag):
                raise _failed("If-Match")

    return check


def etag_matches(condition: str, etag: str) -> bool:
    """Whether an ETag is among those of a condition, which may be quoted, bare, weak, several, or `*`."""
    wanted = [item.strip().removeprefix("W/").strip('"') for item in condition.split(",")]
    return "*" in wanted or etag in wanted


def _seconds(moment: datetime | float | None) -> float | None:
    return moment.timestamp() if isinstance(moment, datetime) else moment


def _failed(condition: str) -> errors.PreconditionFailed:
    return errors.PreconditionFailed(members={"Condition": condition})
