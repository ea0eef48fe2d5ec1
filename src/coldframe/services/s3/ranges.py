"""Which bytes of an object a request asks for."""

import re
from dataclasses import dataclass

from coldframe.calls import Parameters
from coldframe.services.s3 import errors
from coldframe.state.objects import ObjectRecord

_ONE_RANGE = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.ASCII)
_COPY_RANGE = re.compile(r"bytes=(\d+)-(\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A run of an object's bytes."""

    start: int
    length: int
    partial: bool
    """Whether the answer is to say that it is not the whole object (206), even if it happens to be."""
    part_number: int | None = None

    def content_range(self, size: int) -> str | None:
        """The Content-Range header, where there is to be one."""
        if not self.partial or not self.length:
            return None
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


def range_of(parameters: Parameters, record: ObjectRecord) -> ByteRange:
    """The range that a GET or HEAD asks for, by `Range` or by `partNumber`."""
    header, part_number = parameters.get("Range"), parameters.get("PartNumber")
    if part_number is not None:
        if header is not None:
            raise errors.InvalidRequest(message="Cannot specify both Range header and partNumber query parameter")
        return _part(record, part_number)
    asked = _ONE_RANGE.fullmatch(header) if header is not None else None
    if asked is None or asked.group(1) == asked.group(2) == "":
        return ByteRange(0, record.size, partial=False)  # S3 passes over a range that it cannot read, or several
    return _satisfied(asked.group(1), asked.group(2), record.size, header or "")


def copy_range(text: str, size: int) -> ByteRange:
    """The range of an UploadPartCopy, which must lie within its source."""
    asked = _COPY_RANGE.fullmatch(text)
    if asked is None or int(asked.group(1)) > int(asked.group(2)):
        raise errors.InvalidArgument(
            message="The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are "
            "the zero-based offsets of the first and last bytes to copy",
            members={"ArgumentName": "x-amz-copy-source-range", "ArgumentValue": text},
        )
    first, last = int(asked.group(1)), int(asked.group(2))
    if last >= size:
        raise errors.InvalidArgument(
            message=f"Range specified is not valid for source object of size: {size}",
            members={"ArgumentName": "x-amz-copy-source-range", "ArgumentValue": text},
        )
    return ByteRange(first, last - first + 1, partial=True)


def _satisfied(first: str, last: str, size: int, header: str) -> ByteRange:
    if not first:  # the last so many bytes
        length = min(int(last), size)
        start, end = size - length, size
    else:
        start = int(first)
        end = min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return ByteRange(0, size, partial=False)
    if start >= end:
        raise errors.InvalidRange(members={"RangeRequested": header, "ActualObjectSize": str(size)})
    return ByteRange(start, end - start, partial=True)


def _part(record: ObjectRecord, number: int) -> ByteRange:
    if not record.parts:
        if number != 1:
            raise _no_such_part(number, 1)
        return ByteRange(0, record.size, partial=True, part_number=1)
    # Numbers are those that the uploader gave, which may leave some out; what is asked for counts without gaps.
    if not 1 <= number <= len(record.parts):
        raise _no_such_part(number, len(record.parts))
    start = sum(part.size for part in record.parts[: number - 1])
    return ByteRange(start, record.parts[number - 1].size, partial=True, part_number=number)


def _no_such_part(number: int, count: int) -> errors.InvalidPartNumber:
    return errors.InvalidPartNumber(members={"PartNumberRequested": str(number), "ActualPartCount": str(count)})
