"""Chance and identifiers, given to whoever needs them, so that a test can give others."""

import os
import random
import secrets
from collections import deque
from typing import Protocol

_VARIANTS = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
UUIDS_AT_ONCE = 256


class Chance(Protocol):
    """A source of identifiers and secrets."""

    def uuid(self) -> str:
        """A random UUID in its usual form of 36 characters."""
        ...

    def hexadecimal(self, digits: int) -> str:
        """A random string of so many hexadecimal digits."""
        ...

    def secret(self, alphabet: str, length: int) -> str:
        """A string that nobody can guess, drawn from an alphabet."""
        ...

    def fraction(self) -> float:
        """A random number from 0 to just below 1."""
        ...


class SystemChance:
    """The operating system's source of chance."""

    def __init__(self) -> None:
        self._stock: deque[str] = deque()

    def uuid(self) -> str:
        """A random UUID in its usual form of 36 characters, version 4; every request takes one."""
        try:
            digits = self._stock.pop()
        except IndexError:  # one call to the kernel for many: alone it costs more than all the rest of this
            many = os.urandom(16 * UUIDS_AT_ONCE).hex()
            self._stock.extend(many[start : start + 32] for start in range(32, len(many), 32))
            digits = many[:32]
        variant = _VARIANTS[digits[16]]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"

    def hexadecimal(self, digits: int) -> str:
        """A random string of so many hexadecimal digits."""
        return secrets.token_hex((digits + 1) // 2)[:digits]

    def secret(self, alphabet: str, length: int) -> str:
        """A string that nobody can guess, drawn from an alphabet."""
        return "".join(secrets.choice(alphabet) for _ in range(length))

    def fraction(self) -> float:
        """A random number from 0 to just below 1."""
        return random.random()
