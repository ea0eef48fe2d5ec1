"""Root may do everything; nobody else anything, in AWS's words. The root key is made once and kept privately."""

import re
import stat
from pathlib import Path

import pytest

from coldframe.arns import Scope, bucket_arn
from coldframe.calls import AllowedCall, ParsedCall, Principal, SignedCall
from coldframe.chance import SystemChance
from coldframe.errors import AwsError
from coldframe.identity.authorization import authorize
from coldframe.identity.credentials import AccountCredentials, open_root_credentials
from coldframe.identity.verification import ANONYMOUS
from coldframe.services.operation import Operation
from identity.signed_requests import PRINCIPAL, request_of, routed

SCOPE = Scope("123456789012", "us-east-1")
USER = Principal("arn:aws:iam::123456789012:user/ann", "123456789012", "user", "AIDAANN")


async def never_called(_call: AllowedCall, _state: object) -> dict[str, str]:
    raise AssertionError


def parsed_by(principal: Principal, service: str) -> ParsedCall:
    request = request_of("PUT", "/b/k", {})
    return ParsedCall(SignedCall(routed(request, service), principal, request.body), {"Bucket": "b"})


def operation_of(service: str) -> Operation:
    return Operation(service, "Any", "s3:PutObject", lambda given, _: bucket_arn(given["Bucket"]), never_called, "")


def test_authorize_lets_root_pass() -> None:
    allowed = authorize(parsed_by(PRINCIPAL, "s3"), operation_of("s3"), SCOPE)
    assert isinstance(allowed, AllowedCall)
    assert (allowed.principal, allowed.parameters, allowed.scope) == (PRINCIPAL, {"Bucket": "b"}, SCOPE)
    assert allowed.request_id == "request"


@pytest.mark.parametrize(
    ("service", "code", "status"),
    [
        ("s3", "AccessDenied", 403),
        ("sagemaker", "AccessDeniedException", 400),
        ("sagemaker-runtime", "AccessDeniedException", 403),
        ("sts", "AccessDenied", 403),
    ],
)
def test_authorize_refuses_others(service: str, code: str, status: int) -> None:
    with pytest.raises(AwsError) as raised:
        authorize(parsed_by(USER, service), operation_of(service), SCOPE)
    assert (raised.value.code_on_the_wire(), raised.value.status) == (code, status)
    assert raised.value.message == (
        "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: s3:PutObject on resource: "
        "arn:aws:s3:::b because no identity-based policy allows the s3:PutObject action"
    )


@pytest.mark.parametrize(
    ("service", "code", "status", "message"),
    [
        ("s3", "AccessDenied", 403, "Access Denied"),
        ("sagemaker", "MissingAuthenticationTokenException", 400, "Missing Authentication Token"),
        ("sagemaker-runtime", "MissingAuthenticationTokenException", 403, "Missing Authentication Token"),
        ("sts", "MissingAuthenticationToken", 403, "Request is missing Authentication Token"),
    ],
)
def test_authorize_refuses_anonymous(service: str, code: str, status: int, message: str) -> None:
    with pytest.raises(AwsError) as raised:
        authorize(parsed_by(ANONYMOUS, service), operation_of(service), SCOPE)
    assert (raised.value.code_on_the_wire(), raised.value.status, raised.value.message) == (code, status, message)


def test_root_credentials_are_made_once(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    made = open_root_credentials(directory, SystemChance())
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", made.access_key_id)
    assert re.fullmatch(r"[A-Za-z0-9+/]{40}", made.secret_access_key)
    assert open_root_credentials(directory, SystemChance()) == made
    assert stat.S_IMODE((directory / "root-credentials.json").stat().st_mode) == 0o600
    assert open_root_credentials(tmp_path / "other", SystemChance()) != made


def test_account_credentials_find_root_only(tmp_path: Path) -> None:
    made = open_root_credentials(tmp_path, SystemChance())
    credentials = AccountCredentials(made, SCOPE)
    found = credentials.find(made.access_key_id)
    assert found is not None
    assert found.principal.arn == "arn:aws:iam::123456789012:root"
    assert credentials.find("AKIAOTHER") is None
    assert credentials.find("") is None
