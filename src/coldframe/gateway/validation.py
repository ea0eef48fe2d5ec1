"""Checks an operation's input against the constraints of its model, and says what is wrong in AWS's words."""

from collections.abc import Callable

from botocore.model import Shape, StructureShape

from coldframe.calls import Parameters
from coldframe.errors import AwsError, ValidationError, ValidationException
from coldframe.gateway.compiling import Memo
from coldframe.gateway.constraints import Check, Problem, compile_check, missing_at, path_of
from coldframe.gateway.errors import (
    InvalidArgument,
    InvalidLocationConstraint,
    InvalidParameterException,
    InvalidParameterValue,
    InvalidRequest,
    InvalidStorageClass,
    MalformedXML,
    MissingParameter,
    MissingRequestBodyError,
)


class Validator:
    """The constraints of one operation's input."""

    def __init__(self, service: str, protocol: str, shape: StructureShape | None) -> None:
        self._refuse = _refusal(service, protocol)
        self._shape = shape
        self._members: dict[str, tuple[Check, str]] = {}
        self._required: tuple[str, ...] = ()
        if shape is not None:
            memo: Memo = {}
            self._required = tuple(shape.required_members)
            for name, member in shape.members.items():
                check = compile_check(member, memo)
                if check is not None:
                    self._members[name] = check, path_of(name)

    def validate(self, parameters: Parameters) -> None:
        """Raise the service's own error if any value is missing or breaks a constraint."""
        problems = [missing_at(path_of(name)) for name in self._required if name not in parameters]
        members = self._members
        for name, value in parameters.items():
            known = members.get(name)
            if known is not None:
                known[0](value, known[1], problems)
        if problems:
            raise self._refuse(problems, parameters, self._shape)


Refusal = Callable[[list[Problem], Parameters, StructureShape | None], AwsError]


def _refusal(service: str, protocol: str) -> Refusal:
    """How a service tells of broken constraints."""
    if service == "s3":
        return _refuse_as_s3
    if service == "ec2":
        return _refuse_as_ec2
    if service == "logs":
        error: type[AwsError] = InvalidParameterException
    elif service in {"sagemaker-runtime", "cloudwatch"} or protocol == "query":
        error = ValidationError
    else:
        error = ValidationException

    def refuse(problems: list[Problem], _parameters: Parameters, _shape: StructureShape | None) -> AwsError:
        return error(message=message_of_problems(problems))

    return refuse


def message_of_problems(problems: list[Problem]) -> str:
    """AWS's sentence for any number of broken constraints."""
    plural = "error" if len(problems) == 1 else "errors"
    return f"{len(problems)} validation {plural} detected: {'; '.join(map(str, problems))}"


def _refuse_as_ec2(problems: list[Problem], _parameters: Parameters, _shape: StructureShape | None) -> AwsError:
    first = problems[0]
    name = first.path[0].upper() + first.path[1:]
    if first.missing:
        return MissingParameter(parameter=name)
    return InvalidParameterValue(message=f"{first.value} for parameter {name} is invalid. {first.constraint}")


def _refuse_as_s3(problems: list[Problem], parameters: Parameters, shape: StructureShape | None) -> AwsError:
    """S3 tells of a wrong body without details, and of a wrong header or query parameter by its name."""
    first = problems[0]
    member = _member_at(first.path, shape)
    if member is None or "location" not in member.serialization:
        if first.missing and "." not in first.path:
            return MissingRequestBodyError()
        return InvalidLocationConstraint() if first.path.endswith(".locationConstraint") else MalformedXML()
    name = member.serialization["name"]
    if first.missing:
        return InvalidArgument(
            message=f"Missing required header or query parameter: {name}", members={"ArgumentName": name}
        )
    if name == "x-amz-storage-class":
        return InvalidStorageClass(members={"StorageClassRequested": _value_at(first.path, parameters)})
    if "checksum-algorithm" in name:
        return InvalidRequest(
            message="Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
            "[CRC32, CRC32C, CRC64NVME, SHA1, SHA256]"
        )
    value = _value_at(first.path, parameters)
    return InvalidArgument(
        message=f"The value of {name} is not allowed: {first.constraint}",
        members={"ArgumentName": name, "ArgumentValue": value},
    )


def _member_at(path: str, shape: StructureShape | None) -> Shape | None:
    top = path.split(".", maxsplit=1)[0]
    members = shape.members if shape is not None else {}
    return next((member for name, member in members.items() if path_of(name) == top), None)


def _value_at(path: str, parameters: Parameters) -> str:
    return next((str(value) for name, value in parameters.items() if path_of(name) == path), "")
