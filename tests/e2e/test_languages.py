"""R and Python in one room, in the words of the documented SDK: each reads what the other wrote."""

from __future__ import annotations

import decentriq_platform as dq
import pytest
from decentriq_platform.analytics import (
    AnalyticsDcrBuilder,
    FileContent,
    PythonComputeNodeDefinition,
    RawDataNodeDefinition,
    RComputeNodeDefinition,
)

from cloister.errors import EnclaveError
from tests.installation import Installation, data_node, run

ANNA = "anna@example.org"
MEAN = """
source("/input/code/helper.R")
values <- read.csv("/input/values", header = FALSE)$V1
writeLines(as.character(centre(values)), "/output/mean.txt")
"""
SQUARE = """
import cloister_util, pandas as pd, sklearn, statsmodels
mean = float(open("/input/mean/mean.txt").read())
cloister_util.write_tabular_data(pd.DataFrame({"square": [mean ** 2]}), "/output/table")
"""
AGAIN = """
import decentriq_util
print(decentriq_util.sql.read_sql_data_from_dir("/input/square/table"))
"""


@pytest.mark.slow
def test_r_and_python_read_each_others_results(installation: Installation) -> None:
    client = installation.client(ANNA)
    builder = AnalyticsDcrBuilder(client=client).with_name("Two languages").with_owner(ANNA)
    builder.add_node_definitions(
        [
            RawDataNodeDefinition(name="values", is_required=True),
            RComputeNodeDefinition(
                name="mean",
                script=MEAN,
                dependencies=["values"],
                additional_files=[FileContent("helper.R", "centre <- function(x) mean(x)")],
            ),
            PythonComputeNodeDefinition(name="square", script=SQUARE, dependencies=["mean"]),
            PythonComputeNodeDefinition(
                name="again", script=AGAIN, dependencies=["square"], enable_logs_on_success=True, image="python"
            ),
            RComputeNodeDefinition(name="fails", script="f <- function() stop('secret')\nf()"),
        ]
    )
    builder.add_participant(ANNA, data_owner_of=["values"], analyst_of=["mean", "square", "again", "fails"])
    room = client.publish_analytics_dcr(builder.build())
    data_node(room, "values").upload_and_publish_dataset(b"1\n2\n6\n", dq.Key(), "values.csv")

    assert b"9.0" in run(room, "again").read("container.log")
    mean = run(room, "mean")
    assert mean.read("mean.txt") == b"3\n"
    assert mean.filename == "mean.zip"

    assert room.node_definitions == builder.node_definitions
    with pytest.raises(EnclaveError, match=r"line 1, in f\nsimpleError: \(message withheld\)"):
        run(room, "fails")
