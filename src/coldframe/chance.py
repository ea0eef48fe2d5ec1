"""Chance and identifiers, given to whoever needs them, so that a test can give others."""

import os
import random
import secrets
from typing import Protocol

_VARIANTS = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}


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

    def uuid(self) -> str:
        """A random UUID in its usual form of 36 characters, version 4; every request takes one."""
        digits = os.urandom(16).hex()
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
