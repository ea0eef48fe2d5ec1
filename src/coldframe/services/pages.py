"""NextToken: where a list goes on, in a form that clients carry but don't look into."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from coldframe.errors import ValidationException

NOT_IN_TOKEN = frozenset({"NextToken", "MaxResults"})


def next_token(place: tuple[Any, str], parameters: Mapping[str, Any]) -> str:
    """A token for the page after `place`, good for the same question only."""
    content = json.dumps([place[0], place[1], _question(parameters)]).encode()
    return base64.urlsafe_b64encode(content).decode()


def place_after(parameters: Mapping[str, Any]) -> tuple[Any, str] | None:
    """Where the page that a client asks for begins; nothing for the first.

    Raises ValidationException for a token that was not given for the same question.
    """
    token = parameters.get("NextToken")
    if not token:
        return None
    try:
        value, name, question = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (binascii.Error, ValueError, TypeError):
        question = value = name = None
    if question != _question(parameters) or not isinstance(name, str) or not isinstance(value, str | float | int):
        raise ValidationException(message="Invalid pagination token given")
    return value, name


def _question(parameters: Mapping[str, Any]) -> str:
    asked = {name: str(value) for name, value in parameters.items() if name not in NOT_IN_TOKEN}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
