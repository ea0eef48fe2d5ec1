"""Every operation that Coldframe claims exists at AWS, names its permission, and is in the documentation."""

import importlib
import inspect
import pkgutil

import botocore.session
import pytest

from coldframe import services
from coldframe.services.catalog import CATALOG, SERVICES
from coldframe.services.operation import Operation

OPERATIONS = sorted(CATALOG.values(), key=lambda operation: operation.key)


def test_catalog_is_not_empty():
    assert len(OPERATIONS) > 50


def test_catalog_has_every_operation_that_is_declared():
    for module in pkgutil.walk_packages(services.__path__, "coldframe.services."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Operation):
                assert CATALOG.get(value.key) is value, f"{module.name} is missing in services/catalog.py"


@pytest.mark.parametrize("service", SERVICES)
def test_operations_exist_in_the_model_of_their_service(service):
    model = botocore.session.get_session().get_service_model(service)
    invented = {operation.name for operation in OPERATIONS if operation.service == service} - set(model.operation_names)
    assert not invented


def test_operations_belong_to_served_services():
    assert {operation.service for operation in OPERATIONS} <= set(SERVICES)


def test_operations_declare_an_action():
    prefixes = {"sagemaker-runtime": "sagemaker"}
    wrong = [
        f"{operation.service}:{operation.name} declares {operation.action!r}"
        for operation in OPERATIONS
        if operation.action.partition(":")[0] != prefixes.get(operation.service, operation.service)
        or not operation.action.partition(":")[2].isalnum()
    ]
    assert not wrong


def test_operations_declare_a_resource_function():
    wrong = [
        operation.key
        for operation in OPERATIONS
        if not callable(operation.resource) or len(inspect.signature(operation.resource).parameters) != 2
    ]
    assert not wrong


def test_what_is_partial_is_said_in_a_sentence():
    wrong = [operation.key for operation in OPERATIONS if operation.partial and not operation.partial.endswith(".")]
    assert not wrong


def test_handlers_say_what_they_do():
    wrong = [operation.key for operation in OPERATIONS if not (operation.handler.__doc__ or "").strip()]
    assert not wrong
