"""Whatever parameters an operation of S3 gets, it answers with what the model has or with an error of AWS's."""

import asyncio
import datetime as dt
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.model import Shape

from coldframe.app import build_state
from coldframe.calls import AllowedCall, BytesBody, Principal, Request
from coldframe.config import Config
from coldframe.errors import AwsError
from coldframe.gateway.codecs import Codecs
from coldframe.gateway.models import Models
from coldframe.services.catalog import CATALOG
from coldframe.state.state import State

TEXTS = ["", "k", "a/b", "../../x", "bucket", "bucket/k", "/bucket/k?versionId=null", "bytes=0-1", "bytes=-5"]
TEXTS += [
    "bytes=9-",
    "*",
    '"e"',
    "null",
    "x" * 2000,
    "é\U0001f600",
    "\x00",
    "AAAAAA==",
    "a=1&b=2",
    "%zz",
    "CRC32",
    "CRC32C",
]
TEXTS += ["SHA256", "FULL_OBJECT", "COMPOSITE", "REPLACE", "COPY", "AES256", "aws:kms", "000000000000", "/", "url"]
NUMBERS = [-1, 0, 1, 2, 1000, 10_001, 2**31 - 1]
NAMES = sorted(name for service, name in CATALOG if service == "s3")


def value_of(shape: Shape, chance: random.Random) -> Any:
    """Any value of a shape, right in its type and hardly ever in anything else."""
    match shape.type_name:
        case "structure":
            required = set(shape.required_members)
            chosen = [name for name in shape.members if name in required or chance.random() < 0.3]
            value: Any = {name: value_of(shape.members[name], chance) for name in chosen}
        case "list":
            value = [value_of(shape.member, chance) for _ in range(chance.randrange(4))]
        case "map":
            value = {chance.choice(TEXTS): chance.choice(TEXTS) for _ in range(chance.randrange(3))}
        case "integer" | "long":
            value = chance.choice(NUMBERS)
        case "boolean":
            value = chance.random() < 0.5
        case "timestamp":
            value = dt.datetime.fromtimestamp(chance.choice([0, 1, time.time(), 4e9]), dt.UTC)
        case "blob":
            value = BytesBody(b"x" * chance.choice([0, 1, 10_000]))
        case _:
            value = chance.choice([*TEXTS, *getattr(shape, "enum", ())])
    return value


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    state = build_state(Config(data_directory=tmp_path_factory.mktemp("any-input")))
    yield state
    state.blobs.close()
    state.database.close()


@pytest.mark.parametrize("name", NAMES)
def test_any_input_gets_an_answer_or_an_error_of_awss(state: State, name: str) -> None:
    models = Models()
    codecs = Codecs(models)
    shape = models.operation("s3", name).input_shape
    chance = random.Random(name)

    async def call(operation: str, parameters: dict[str, Any]) -> None:
        headers = {
            "host": "127.0.0.1",
            "expires": "never",
            "x-amz-trailer": chance.choice(["", "x-amz-checksum-crc32"]),
        }
        request = Request("PUT", "/bucket/k", "", headers, BytesBody(b""), "", "http", "id", time.time())
        root = Principal("arn:aws:iam::000000000000:root", "000000000000", "root", "000000000000")
        allowed = AllowedCall("s3", operation, parameters, root, state.scope, request)
        codec = codecs.find("s3", operation, "rest-xml")
        try:
            answer = await CATALOG["s3", operation].handler(allowed, state)
        except AwsError as error:
            codec.serialize_error(error, "id")
        else:
            codec.serialize(answer, "id")

    async def work() -> None:
        for number in range(50):
            if number % 10 == 0:  # now and then, for it may have been deleted
                await call("CreateBucket", {"Bucket": "bucket"})
                for key, size in (("k", 9000), ("a/b", 10), ("../../x", 0)):
                    await call("PutObject", {"Bucket": "bucket", "Key": key, "Body": BytesBody(b"y" * size)})
            parameters = value_of(shape, chance) if shape is not None else {}
            if "Bucket" in parameters and chance.random() < 0.8:
                parameters["Bucket"] = "bucket"
            if "Key" in parameters and chance.random() < 0.6:
                parameters["Key"] = "k"
            await call(name, parameters)

    asyncio.run(work())
