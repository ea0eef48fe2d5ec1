"""Where a model's artifacts lie in S3, and whether they are there."""

from typing import Any

from sqlalchemy import Connection

from coldframe.arns import Scope
from coldframe.errors import ValidationException
from coldframe.state.model_sources import ModelSource, model_source, source_objects


def check_model_data(connection: Connection, container: dict[str, Any], role_arn: str, scope: Scope) -> None:
    """Refuse a container of which the model data cannot be read."""
    try:
        source = model_source(container)
    except ValueError as error:
        raise ValidationException(message=str(error)) from error
    if source is not None and not _is_there(connection, source):
        raise ValidationException(
            message=f"Could not access model data at {source.uri}. Please ensure that the role "
            f'"{role_arn}" exists and that its trust relationship policy allows the action "sts:AssumeRole" for the '
            'service principal "sagemaker.amazonaws.com". Also ensure that the role has "s3:GetObject" permissions '
            f"and that the object is located in {scope.region}."
        )


def _is_there(connection: Connection, source: ModelSource) -> bool:
    return bool(source_objects(connection, source, limit=1))
