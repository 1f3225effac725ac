"""The worker images: how large they are, and how long a script takes in each, next to the same interpreter bare."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from bench.bare import INTERPRETER, bare
from bench.one_script import in_turns
from bench.report import Row, Table, compared
from cloister.rooms.limits import MIB, Limits
from cloister.worker.images.store import OpenImage, find_image, open_image
from cloister.worker.runners.python import PYTHON
from cloister.worker.runners.r import R
from cloister.worker.runners.script import Language, ScriptTask, blueprint, run_script
from cloister.worker.sandbox.container import Container, Sandbox
from cloister.worker.sandbox.pool import Pool

_LIMITS = Limits()


@dataclass(frozen=True)
class Work:
    """Scripts for one image."""

    image: str
    language: Language
    interpreter: str
    scripts: dict[str, str]


_ALL_OF_ML = """
import numpy, pandas, statsmodels.api, seaborn, xgboost, autosklearn.classification
import pyreadstat, streamlit, imblearn, lifelines, sksurv, lime, gnupg
"""
WORKS = (
    Work("python", PYTHON, INTERPRETER, {"nothing": "pass", "import pandas": "import pandas"}),
    Work("python-ml", PYTHON, INTERPRETER, {"nothing": "pass", "import the whole documented list": _ALL_OF_ML}),
    Work("r", R, "/usr/bin/Rscript", {"nothing": "1", "library(dplyr)": "suppressMessages(library(dplyr))"}),
    Work("synthetic", PYTHON, INTERPRETER, {"nothing": "pass", "import opendp": "import opendp.prelude"}),
)


def measure(sandbox: Sandbox, names: Collection[str], repetitions: int) -> Iterator[Table]:
    """Sizes first, then a table for each script, in the images of those names."""
    works = [work for work in WORKS if work.image in names]
    rows = tuple(Row(name=work.image, value=find_image(work.image).size / 1e6, unit="MB") for work in works)
    yield Table(title="Worker images, on disk", rows=rows)
    for work in works:
        with open_image(work.image) as image:
            for what, script in work.scripts.items():
                yield _starts(sandbox, image, work, what, script, repetitions)


def _starts(sandbox: Sandbox, image: OpenImage, work: Work, what: str, script: str, repetitions: int) -> Table:
    wanted = blueprint(work.language, image.root, _LIMITS, ())
    with bare(image.root, script, {}, work.interpreter) as files, Pool(sandbox, 1, wanted) as pool:
        ways = {
            "bare, in a chroot": files.run,
            "cold container": lambda: _contained(sandbox.container(wanted), work.language, script),
            "warm container": lambda: _contained(pool.take(wanted), work.language, script),
        }
        samples = in_turns(ways, pool, repetitions)
    return Table(title=f"Image {work.image}: {what}", rows=compared(samples))


def _contained(made: AbstractContextManager[Container], language: Language, script: str) -> None:
    with made as container:
        container.input_folder(MIB, 10)
        run = run_script(language, container, ScriptTask(script=script, limits=_LIMITS))
        if run.error is not None:
            raise RuntimeError(run.error)
        for _ in run.result():
            pass
