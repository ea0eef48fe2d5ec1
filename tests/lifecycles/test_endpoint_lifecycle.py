"""The statuses of an endpoint."""

import pytest
from botocore.session import get_session

from coldframe.state.endpoints import EndpointRecord
from coldframe.state.lifecycles import ENDPOINT, LifecycleError

AWS_STATUSES = set(get_session().get_service_model("sagemaker").shape_for("EndpointStatus").enum)


def test_every_status_is_one_of_aws_and_can_be_reached() -> None:
    assert set(ENDPOINT.next_statuses) <= AWS_STATUSES
    reached, new = set(), {ENDPOINT.first}
    while new:
        reached |= new
        new = {after for status in new for after in ENDPOINT.next_statuses[status]} - reached
    assert reached == set(ENDPOINT.next_statuses)


def test_every_status_leads_to_the_end() -> None:
    for status in ENDPOINT.next_statuses:
        reached = {status}
        for _ in ENDPOINT.next_statuses:
            reached |= {after for one in reached for after in ENDPOINT.next_statuses[one]}
        assert "Deleting" in reached, status


@pytest.mark.parametrize(
    ("before", "after"), [("Creating", "Deleting"), ("Failed", "InService"), ("Deleting", "InService")]
)
def test_a_record_cannot_leave_the_table(before: str, after: str) -> None:
    record = EndpointRecord("e", before, "", 1.0, 1.0, None, None)
    with pytest.raises(LifecycleError):
        record.to(after, 2.0)
