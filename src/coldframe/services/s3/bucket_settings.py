"""Settings of buckets that are kept and given back: default encryption, public access block, versioning (never on)."""

from typing import Any

from coldframe.calls import AllowedCall, Parameters
from coldframe.services.operation import operation
from coldframe.services.s3 import errors
from coldframe.services.s3.addressing import bucket_of, existing_bucket, no_such_bucket
from coldframe.state.buckets import set_bucket_setting
from coldframe.state.state import State

ENCRYPTION = "ServerSideEncryptionConfiguration"
PUBLIC_ACCESS_BLOCK = "PublicAccessBlockConfiguration"


@operation(
    "s3",
    "PutBucketEncryption",
    action="s3:PutEncryptionConfiguration",
    resource=bucket_of,
    partial="Recorded, and told of objects that are put from then on; the bytes on the disk are not encrypted.",
)
async def put_bucket_encryption(call: AllowedCall, state: State) -> Parameters:
    """Say how objects are to be encrypted that name no encryption themselves."""
    return await _keep(call, state, ENCRYPTION, call.parameters[ENCRYPTION])


@operation("s3", "GetBucketEncryption", action="s3:GetEncryptionConfiguration", resource=bucket_of)
async def get_bucket_encryption(call: AllowedCall, state: State) -> Parameters:
    """Tell how objects are encrypted that name no encryption themselves."""
    usual = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}]}
    return {ENCRYPTION: existing_bucket(call, state).settings.get(ENCRYPTION, usual)}


@operation("s3", "DeleteBucketEncryption", action="s3:PutEncryptionConfiguration", resource=bucket_of)
async def delete_bucket_encryption(call: AllowedCall, state: State) -> Parameters:
    """Go back to the usual encryption."""
    return await _keep(call, state, ENCRYPTION, None)


@operation(
    "s3",
    "PutPublicAccessBlock",
    action="s3:PutBucketPublicAccessBlock",
    resource=bucket_of,
    partial="Recorded only: nothing is public here anyway.",
)
async def put_public_access_block(call: AllowedCall, state: State) -> Parameters:
    """Say that the bucket must not become public."""
    return await _keep(call, state, PUBLIC_ACCESS_BLOCK, call.parameters[PUBLIC_ACCESS_BLOCK])


@operation("s3", "GetPublicAccessBlock", action="s3:GetBucketPublicAccessBlock", resource=bucket_of)
async def get_public_access_block(call: AllowedCall, state: State) -> Parameters:
    """Tell what was put; a new bucket is blocked in every way, as on AWS."""
    blocked = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    kept = existing_bucket(call, state).settings.get(PUBLIC_ACCESS_BLOCK, blocked)
    if not kept:
        raise errors.NoSuchPublicAccessBlockConfiguration(members={"BucketName": call.parameters["Bucket"]})
    return {PUBLIC_ACCESS_BLOCK: blocked | dict.fromkeys(blocked, False) | kept}


@operation("s3", "DeletePublicAccessBlock", action="s3:PutBucketPublicAccessBlock", resource=bucket_of)
async def delete_public_access_block(call: AllowedCall, state: State) -> Parameters:
    """Take the block away."""
    return await _keep(call, state, PUBLIC_ACCESS_BLOCK, {})


@operation("s3", "GetBucketVersioning", action="s3:GetBucketVersioning", resource=bucket_of)
async def get_bucket_versioning(call: AllowedCall, state: State) -> Parameters:
    """Tell, by saying nothing, that versioning was never enabled."""
    existing_bucket(call, state)
    return {}


async def _keep(call: AllowedCall, state: State, setting: str, value: Any) -> Parameters:
    bucket = existing_bucket(call, state)
    if not await state.database.write(lambda connection: set_bucket_setting(connection, bucket.name, setting, value)):
        raise no_such_bucket(bucket.name)
    return {}
