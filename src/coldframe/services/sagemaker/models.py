"""CreateModel, DescribeModel, ListModels, DeleteModel."""

from typing import Any

from sqlalchemy import Connection

from coldframe.arns import Scope
from coldframe.calls import AllowedCall, Parameters
from coldframe.errors import ValidationException
from coldframe.services.operation import operation
from coldframe.services.pages import next_token
from coldframe.services.sagemaker.listing import moment, page_query
from coldframe.services.sagemaker.model_data import check_model_data
from coldframe.state import models
from coldframe.state.state import State
from coldframe.state.tags import add_tags, delete_all_tags

LATER = {
    "ModelPackageName": "Model packages",
    "AdditionalModelDataSources": "Additional model data sources",
    "MultiModelConfig": "Multi-model endpoints",
}
"""What a container's definition may name and Coldframe does not carry out yet."""

KNOWN_REPOSITORIES = ("pytorch", "scikit-learn", "huggingface")
"""Parts of the names of AWS's repositories whose images serve a model by functions such as model_fn."""


def model_arn(parameters: Parameters, scope: Scope) -> str:
    """The ARN of the model that a call names."""
    return scope.arn("sagemaker", f"model/{parameters['ModelName']}")


@operation("sagemaker", "CreateModel", action="sagemaker:CreateModel", resource=model_arn)
async def create_model(call: AllowedCall, state: State) -> Parameters:
    """Write down a model: which artifacts, in which environment, with which variables."""
    given = call.parameters
    arn = model_arn(given, call.scope)
    container = only_container(given)
    tags = given.get("Tags", [])
    definition = {name: value for name, value in given.items() if name not in ("ModelName", "Tags")}
    definition.setdefault("EnableNetworkIsolation", False)
    record = models.ModelRecord(given["ModelName"], state.clock.now(), definition)

    def write(connection: Connection) -> None:
        check_model_data(connection, container, given.get("ExecutionRoleArn", ""), call.scope)
        if not models.create_model(connection, record):
            raise ValidationException(message=f'Cannot create already existing model "{arn}".')
        add_tags(connection, arn, tags)

    await state.database.write(write)
    return {"ModelArn": arn}


@operation("sagemaker", "DescribeModel", action="sagemaker:DescribeModel", resource=model_arn)
async def describe_model(call: AllowedCall, state: State) -> Parameters:
    """All that CreateModel was given."""
    arn = model_arn(call.parameters, call.scope)
    record = state.database.read(lambda connection: models.find_model(connection, call.parameters["ModelName"]))
    if record is None:
        raise model_missing(arn)
    return {
        "ModelName": record.name,
        "ModelArn": arn,
        "CreationTime": moment(record.created_at),
        **record.definition,
    }


@operation("sagemaker", "ListModels", action="sagemaker:ListModels")
async def list_models(call: AllowedCall, state: State) -> Parameters:
    """A page of models."""
    query = page_query(call.parameters)
    found, place = await state.database.read_in_thread(lambda connection: models.list_models(connection, query))
    answer: Parameters = {
        "Models": [
            {
                "ModelName": record.name,
                "ModelArn": model_arn({"ModelName": record.name}, call.scope),
                "CreationTime": moment(record.created_at),
            }
            for record in found
        ]
    }
    return answer | ({"NextToken": next_token(place, call.parameters)} if place else {})


@operation("sagemaker", "DeleteModel", action="sagemaker:DeleteModel", resource=model_arn)
async def delete_model(call: AllowedCall, state: State) -> Parameters:
    """Forget a model. Endpoints that were made of it keep what they need."""
    arn = model_arn(call.parameters, call.scope)

    def write(connection: Connection) -> None:
        if not models.delete_model(connection, call.parameters["ModelName"]):
            raise model_missing(arn)
        delete_all_tags(connection, arn)

    await state.database.write(write)
    return {}


def model_missing(arn: str) -> ValidationException:
    """What AWS says of a model that is not there."""
    return ValidationException(message=f'Could not find model "{arn}".')


def only_container(given: Parameters) -> dict[str, Any]:
    """The one container of the model; ValidationException for what cannot be carried out."""
    primary, several = given.get("PrimaryContainer"), given.get("Containers") or []
    if primary is not None and several:
        raise ValidationException(message="Only one of PrimaryContainer and Containers may be specified.")
    if primary is None and not several:
        raise ValidationException(message="You must specify either PrimaryContainer or Containers.")
    if len(several) > 1:
        raise ValidationException(message="Inference pipelines (more than one container) are not implemented.")
    container: dict[str, Any] = several[0] if primary is None else primary
    for name, what in LATER.items():
        if container.get(name):
            raise ValidationException(message=f"{what} ({name}) are not implemented.")
    if container.get("Mode", "SingleModel") != "SingleModel":
        raise ValidationException(message="Multi-model endpoints (Mode MultiModel) are not implemented.")
    if not container.get("Image"):
        raise ValidationException(message="The container must have an Image.")
    check_image(container["Image"])
    return container


def check_image(image: str) -> None:
    """Refuse an image that stands for no environment here.

    AWS's images of frameworks stand for the toolkit's contract, which `workers/serve.py` keeps. A container of one's
    own brings a web server of its own, of which nothing is known but its image.
    """
    repository = image.rpartition("/")[2].partition(":")[0].partition("@")[0]
    if not any(known in repository for known in KNOWN_REPOSITORIES):
        raise ValidationException(
            message=f'Image "{image}" stands for no environment here: Coldframe serves models of AWS\'s framework '
            "images (such as pytorch-inference) by the inference toolkit's contract; a container's own web server is "
            "not implemented."
        )
