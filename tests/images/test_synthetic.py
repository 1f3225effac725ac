"""The image `synthetic`: OpenDP makes synthetic data with differential privacy in it."""

from __future__ import annotations

import pytest

from cloister.rooms.limits import MIB, Limits
from cloister.worker.images import store as images
from cloister.worker.sandbox import probe
from cloister.worker.sandbox.container import Sandbox
from tests.containers import Machine

SCRIPT = """
import faker, numpy as np, opendp.prelude as dp, polars as pl

dp.enable_features("contrib")
random = np.random.default_rng(1)
smokes = random.random(2000) < 0.3
ill = random.random(2000) < np.where(smokes, 0.8, 0.1)
rows = pl.DataFrame({"smokes": smokes.astype(str), "ill": ill.astype(str)})
context = dp.Context.compositor(
    data=rows.lazy(), privacy_unit=dp.unit_of(contributions=1), privacy_loss=dp.loss_of(epsilon=1.0)
)
truths = ["False", "True"]
table = context.query(epsilon=1.0).select("smokes", "ill").contingency_table(
    keys={"smokes": truths, "ill": truths}, algorithm=dp.mbi.MST()
).release().synthesize(method="sample")
made = table.group_by("smokes").agg((pl.col("ill") == "True").mean())
share = dict(made.iter_rows())
assert share["True"] > 0.6 > 0.3 > share["False"], share
assert "@" in faker.Faker().email()
"""


@pytest.mark.slow
def test_synthetic_data_keeps_what_goes_together() -> None:
    limits = Limits(memory_bytes=3072 * MIB, wall_seconds=280, scratch_bytes=512 * MIB, cpus=2)
    with images.open_image("synthetic") as image, Sandbox(probe.detect(image.root)) as sandbox:
        ran = Machine(sandbox, image.root).run(SCRIPT, limits=limits)
    assert ran.error is None, f"{ran.error}\n{ran.log}"
