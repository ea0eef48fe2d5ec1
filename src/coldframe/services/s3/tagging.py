"""Tags of objects and buckets: Put, Get and DeleteObjectTagging, and the same of buckets."""

from coldframe.calls import AllowedCall, Parameters
from coldframe.services.operation import operation
from coldframe.services.s3 import errors
from coldframe.services.s3.addressing import bucket_of, existing_bucket, no_such_bucket, no_such_key, object_of
from coldframe.services.s3.object_reads import existing_object
from coldframe.services.s3.tags import BUCKET_TAGS, OBJECT_TAGS, as_tag_set, tags_of_set
from coldframe.state.buckets import set_bucket_tags
from coldframe.state.objects import set_object_tags
from coldframe.state.state import State


@operation("s3", "PutObjectTagging", action="s3:PutObjectTagging", resource=object_of)
async def put_object_tagging(call: AllowedCall, state: State) -> Parameters:
    """Replace an object's tags."""
    record = existing_object(call, state)
    tags = tags_of_set(call.parameters["Tagging"]["TagSet"], OBJECT_TAGS)
    await _write_object_tags(state, record.bucket, record.key, tags)
    return {}


@operation("s3", "GetObjectTagging", action="s3:GetObjectTagging", resource=object_of)
async def get_object_tagging(call: AllowedCall, state: State) -> Parameters:
    """Tell an object's tags."""
    return {"TagSet": as_tag_set(existing_object(call, state).tags)}


@operation("s3", "DeleteObjectTagging", action="s3:DeleteObjectTagging", resource=object_of)
async def delete_object_tagging(call: AllowedCall, state: State) -> Parameters:
    """Remove all of an object's tags."""
    record = existing_object(call, state)
    await _write_object_tags(state, record.bucket, record.key, {})
    return {}


@operation("s3", "PutBucketTagging", action="s3:PutBucketTagging", resource=bucket_of)
async def put_bucket_tagging(call: AllowedCall, state: State) -> Parameters:
    """Replace a bucket's tags."""
    bucket = existing_bucket(call, state)
    await _write_bucket_tags(state, bucket.name, tags_of_set(call.parameters["Tagging"]["TagSet"], BUCKET_TAGS))
    return {}


@operation("s3", "GetBucketTagging", action="s3:GetBucketTagging", resource=bucket_of)
async def get_bucket_tagging(call: AllowedCall, state: State) -> Parameters:
    """Tell a bucket's tags."""
    bucket = existing_bucket(call, state)
    if not bucket.tags:
        raise errors.NoSuchTagSet(members={"BucketName": bucket.name})
    return {"TagSet": as_tag_set(bucket.tags)}


@operation("s3", "DeleteBucketTagging", action="s3:PutBucketTagging", resource=bucket_of)
async def delete_bucket_tagging(call: AllowedCall, state: State) -> Parameters:
    """Remove all of a bucket's tags."""
    await _write_bucket_tags(state, existing_bucket(call, state).name, {})
    return {}


async def _write_object_tags(state: State, bucket: str, key: str, tags: dict[str, str]) -> None:
    if not await state.database.write(lambda connection: set_object_tags(connection, bucket, key, tags)):
        raise no_such_key(key)


async def _write_bucket_tags(state: State, name: str, tags: dict[str, str]) -> None:
    if not await state.database.write(lambda connection: set_bucket_tags(connection, name, tags)):
        raise no_such_bucket(name)
