"""Every operation that Coldframe carries out, in one table."""

from coldframe.services.logs import log_events, log_groups, log_streams
from coldframe.services.operation import Operation, operations_of
from coldframe.services.s3 import (
    access_control_lists,
    bucket_settings,
    buckets,
    listings,
    multipart_uploads,
    object_copies,
    object_reads,
    object_writes,
    tagging,
    upload_completion,
    upload_parts,
)
from coldframe.services.sagemaker import endpoint_configs, endpoints, models, tags, training_jobs
from coldframe.services.sagemaker_runtime import invocations
from coldframe.services.sts import caller_identity

CATALOG: dict[tuple[str, str], Operation] = operations_of(
    log_events,
    log_groups,
    log_streams,
    endpoint_configs,
    endpoints,
    invocations,
    models,
    tags,
    training_jobs,
    access_control_lists,
    bucket_settings,
    buckets,
    listings,
    multipart_uploads,
    object_copies,
    object_reads,
    object_writes,
    tagging,
    upload_completion,
    upload_parts,
    caller_identity,
)
"""By botocore's service name and operation name."""

SERVICES: tuple[str, ...] = ("s3", "sagemaker", "sagemaker-runtime", "logs", "sts")
"""botocore's names of the services that are served; any other is answered with a clear error."""
