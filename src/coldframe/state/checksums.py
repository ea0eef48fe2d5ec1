"""The checksums that S3 knows, each computed as the bytes go by, and the CRCs of parts joined into one of the whole."""

import base64
import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from awscrt import checksums as awscrt_checksums

DEFAULT_ALGORITHM = "CRC64NVME"
"""What S3 computes for an object when the client names no checksum."""


class Digest(Protocol):
    """Takes bytes in order, and gives a digest of them all."""

    def update(self, piece: bytes, /) -> None:
        """Take in the next bytes."""
        ...

    def digest(self) -> bytes:
        """The digest of all bytes so far."""
        ...


class CyclicRedundancyCheck:
    """A CRC as a running digest."""

    __slots__ = ("_function", "_size_bytes", "_value")

    def __init__(self, function: Callable[[bytes, int], int], size_bytes: int) -> None:
        self._function = function
        self._size_bytes = size_bytes
        self._value = 0

    def update(self, piece: bytes, /) -> None:
        """Take in the next bytes."""
        self._value = self._function(piece, self._value)

    def digest(self) -> bytes:
        """The CRC of all bytes so far, big endian."""
        return self._value.to_bytes(self._size_bytes, "big")


class XxHash:
    """A running XXHash of awscrt's, which can be asked for its digest only once."""

    __slots__ = ("_result", "_running")

    def __init__(self, running: Any) -> None:
        self._running = running
        self._result = b""

    def update(self, piece: bytes, /) -> None:
        """Take in the next bytes."""
        self._running.update(piece)

    def digest(self) -> bytes:
        """The hash of all bytes so far."""
        self._result = self._result or bytes(self._running.finalize())
        return self._result


ALGORITHMS: dict[str, Callable[[], Digest]] = {
    "CRC32": lambda: CyclicRedundancyCheck(awscrt_checksums.crc32, 4),
    "CRC32C": lambda: CyclicRedundancyCheck(awscrt_checksums.crc32c, 4),
    "CRC64NVME": lambda: CyclicRedundancyCheck(awscrt_checksums.crc64nvme, 8),
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
    "XXHASH64": lambda: XxHash(awscrt_checksums.XXHash.new_xxhash64()),
    "XXHASH3": lambda: XxHash(awscrt_checksums.XXHash.new_xxhash3_64()),
    "XXHASH128": lambda: XxHash(awscrt_checksums.XXHash.new_xxhash3_128()),
}
"""By AWS's name for it."""

_COMBINE: dict[str, Callable[[int, int, int], int]] = {
    "CRC32": awscrt_checksums.combine_crc32,
    "CRC32C": awscrt_checksums.combine_crc32c,
    "CRC64NVME": awscrt_checksums.combine_crc64nvme,
}

FULL_OBJECT_ALGORITHMS = frozenset(_COMBINE)
"""Those of which the whole object's value follows from its parts' values."""


def in_base64(digest: bytes) -> str:
    """A digest as it stands in headers."""
    return base64.b64encode(digest).decode()


def digest_bytes(algorithm: str) -> int:
    """How long a digest of this algorithm is."""
    return len(ALGORITHMS[algorithm]().digest())


def composite(algorithm: str, part_digests: Iterable[bytes]) -> str:
    """The checksum of the parts' checksums, with the number of parts behind it."""
    digests = list(part_digests)
    whole = ALGORITHMS[algorithm]()
    whole.update(b"".join(digests))
    return f"{in_base64(whole.digest())}-{len(digests)}"


def combined(algorithm: str, parts: Iterable[tuple[bytes, int]]) -> str:
    """The checksum of the whole object from those of its parts.

    Args:
        algorithm: one of FULL_OBJECT_ALGORITHMS.
        parts: the digest of each part, and its size in bytes.
    """
    combine = _COMBINE[algorithm]
    value = 0
    for digest, size in parts:
        value = combine(value, int.from_bytes(digest, "big"), size)
    return in_base64(value.to_bytes(digest_bytes(algorithm), "big"))


class Digests:
    """The MD5 of some bytes, which the ETag needs, and any further checksums, all in one go."""

    __slots__ = ("further", "md5")

    def __init__(self, algorithms: Iterable[str]) -> None:
        self.md5: Digest = hashlib.md5(usedforsecurity=False)
        self.further: dict[str, Digest] = {name: ALGORITHMS[name]() for name in algorithms}

    def update(self, piece: bytes) -> None:
        """Take in the next bytes, on this thread."""
        self.md5.update(piece)
        for digest in self.further.values():
            digest.update(piece)

    def results(self) -> dict[str, bytes]:
        """The digest of each further checksum, by AWS's name for it."""
        return {name: digest.digest() for name, digest in self.further.items()}
