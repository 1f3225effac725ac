"""The main job: encrypted data in, a computation in a container, a result for its analyst alone."""

from __future__ import annotations

import pytest

from cloister.analytics import AnalyticsDcrBuilder, PythonComputeNodeDefinition, RawDataNodeDefinition
from cloister.errors import AuthorizationError, NotFoundError
from tests.installation import Installation, attach, run

SCRIPT = """
import pandas as pd
left = pd.read_csv("/input/hospital")
right = pd.read_csv("/input/lab")
both = left.merge(right, on="id")
with open("/output/mean.txt", "w") as file:
    file.write(str(both["value"].mean()))
"""


def test_two_owners_and_an_analyst(installation: Installation) -> None:
    hospital, lab, analyst, outsider = (
        installation.client(f"{name}@main.example") for name in ("hospital", "lab", "analyst", "outsider")
    )
    builder = AnalyticsDcrBuilder(client=analyst).with_name("Two owners").with_owner("analyst@main.example")
    builder.add_node_definition(RawDataNodeDefinition(name="hospital", is_required=True))
    builder.add_node_definition(RawDataNodeDefinition(name="lab", is_required=True))
    builder.add_node_definition(
        PythonComputeNodeDefinition(name="mean", script=SCRIPT, dependencies=["hospital", "lab"])
    )
    builder.add_participant("hospital@main.example", data_owner_of=["hospital"])
    builder.add_participant("lab@main.example", data_owner_of=["lab"])
    builder.add_participant("analyst@main.example", analyst_of=["mean"])
    room = analyst.publish_analytics_dcr(builder.build())

    at_hospital = hospital.retrieve_analytics_dcr(room.id)
    attach(at_hospital, "hospital", b"id,age\n1,40\n2,50\n")
    attach(lab.retrieve_analytics_dcr(room.id), "lab", b"id,value\n1,3\n2,5\n")

    assert run(room, "mean").read("mean.txt") == b"4.0"

    with pytest.raises(AuthorizationError):
        run(at_hospital, "mean")
    with pytest.raises(NotFoundError):
        outsider.retrieve_analytics_dcr(room.id)
