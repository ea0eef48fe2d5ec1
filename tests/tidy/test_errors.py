"""Every error that a client may see has a message, and its fields are all the raiser must give."""

import importlib
import pkgutil

import coldframe
from coldframe.errors import AwsError, message_of

ELSEWHERE = ("coldframe.__main__", "coldframe.cli", "coldframe.workers", "coldframe.state.migrations")


def all_errors() -> list[type[AwsError]]:
    """Every error class, after importing every module of the platform."""
    for module in pkgutil.walk_packages(coldframe.__path__, "coldframe."):
        if not module.name.startswith(ELSEWHERE):
            importlib.import_module(module.name)
    found: list[type[AwsError]] = []
    waiting = [AwsError]
    while waiting:
        kind = waiting.pop()
        subclasses = [one for one in kind.__subclasses__() if one.__module__.startswith("coldframe.")]
        found += subclasses
        waiting += subclasses
    return found


def test_errors_have_a_message_of_their_own():
    silent = [f"{kind.__module__}.{kind.__name__}" for kind in all_errors() if not (kind.__dict__.get("__doc__") or "")]
    assert len(all_errors()) > 10
    assert not silent, f"errors without a docstring, which is their message: {silent}"


def test_error_messages_can_be_filled():
    for kind in all_errors():
        message_of(kind).format_map(_Anything())  # an unbalanced brace would raise here


def test_errors_have_an_http_status_that_means_error():
    wrong = [f"{kind.__name__}: {kind.status}" for kind in all_errors() if not 300 <= kind.status < 600]
    assert not wrong


class _Anything(dict):
    def __missing__(self, key):
        return key
