"""Which bucket and key a call is about: that they exist, keep the rules, and belong to whom the caller expects."""

import hashlib
from typing import Any

from coldframe.arns import Scope, bucket_arn, object_arn
from coldframe.calls import AllowedCall, Parameters
from coldframe.services.s3 import errors
from coldframe.state.buckets import BucketRecord, find_bucket
from coldframe.state.state import State

KEY_BYTES = 1024

UNSUPPORTED = {
    "ObjectLockMode": "object lock",
    "ObjectLockRetainUntilDate": "object lock",
    "ObjectLockLegalHoldStatus": "object lock",
    "ObjectLockEventHold": "object lock",
    "ObjectLockEnabledForBucket": "object lock",
    "SSECustomerAlgorithm": "encryption with keys of the customer's own (SSE-C)",
    "SSECustomerKey": "encryption with keys of the customer's own (SSE-C)",
    "CopySourceSSECustomerKey": "encryption with keys of the customer's own (SSE-C)",
    "WriteOffsetBytes": "appending to objects",
    "MFA": "MFA delete",
}
"""Parameters that S3 has and Coldframe must not pass over in silence, with what they ask for."""


def bucket_of(parameters: Parameters, _scope: Scope) -> str:
    """The ARN of the bucket that a call is about."""
    return bucket_arn(parameters["Bucket"])


def object_of(parameters: Parameters, _scope: Scope) -> str:
    """The ARN of the object that a call is about."""
    return object_arn(parameters["Bucket"], parameters["Key"])


def checked_key(parameters: Parameters) -> str:
    """The call's key. Raises if it is longer than S3 allows, or no text."""
    key: str = parameters["Key"]
    length = len(text_bytes(key))
    if length > KEY_BYTES:
        raise errors.KeyTooLongError(members={"Size": str(length), "MaxSizeAllowed": str(KEY_BYTES)})
    return key


def text_bytes(text: str) -> bytes:
    """Text as UTF-8; InvalidURI if it came from bytes that are not."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise errors.InvalidURI from None


def refuse_unsupported(parameters: Parameters) -> None:
    """Raise if the call asks for something that would be ignored otherwise."""
    for name, feature in UNSUPPORTED.items():
        if parameters.get(name):
            raise errors.NotImplementedHere(what=feature)
    version = parameters.get("VersionId")
    if version is not None and version != "null":  # what S3 calls the only version of an unversioned object
        raise errors.NoSuchVersion(members={"Key": parameters.get("Key", ""), "VersionId": version})


def check_owner(call: AllowedCall, state: State, parameter: str = "ExpectedBucketOwner") -> None:
    """Raise if the caller expects the bucket to belong to another account than the one that this server plays."""
    expected = call.parameters.get(parameter)
    if expected is not None and expected != state.scope.account_id:
        raise errors.AccessDenied


def existing_bucket(call: AllowedCall, state: State) -> BucketRecord:
    """The call's bucket. Raises NoSuchBucket, or AccessDenied if it is not the expected owner's."""
    name: str = call.parameters["Bucket"]
    bucket = state.database.read(lambda connection: find_bucket(connection, name))
    if bucket is None:
        raise no_such_bucket(name)
    check_owner(call, state)
    return bucket


def no_such_bucket(name: str) -> errors.NoSuchBucket:
    """The error that names the bucket."""
    return errors.NoSuchBucket(members={"BucketName": name})


def no_such_key(key: str) -> errors.NoSuchKey:
    """The error that names the key."""
    return errors.NoSuchKey(members={"Key": key})


def owner(state: State) -> dict[str, Any]:
    """The account, as S3 names owners: by an id of 64 hexadecimal digits."""
    return {"ID": hashlib.sha256(state.scope.account_id.encode()).hexdigest()}


def whole_seconds(moment: float) -> float:
    """A time as S3 tells it: in whole seconds."""
    return float(int(moment))


def quoted(etag: str) -> str:
    """An ETag as it stands in headers and documents."""
    return f'"{etag}"'
