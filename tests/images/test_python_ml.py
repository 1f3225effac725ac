"""The image `python-ml`: every library that the documentation names imports beside the others, and does real work."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from cloister.rooms.limits import MIB, Limits
from cloister.worker.images import store as images
from cloister.worker.sandbox import probe
from cloister.worker.sandbox.container import Sandbox
from tests.containers import Machine

pytestmark = pytest.mark.slow
LIMITS = Limits(memory_bytes=3072 * MIB, wall_seconds=280, scratch_bytes=512 * MIB, cpus=2)
VERSIONS = {
    "numpy": "1.26.1",
    "pandas": "2.1.1",
    "statsmodels": "0.14.0",
    "seaborn": "0.13.0",
    "xgboost": "2.0.1",
    "auto-sklearn": "0.15.0+sklearn13",
    "pyreadstat": "1.2.4",
    "streamlit": "1.28.1",
    "imbalanced-learn": "0.11.0",
    "lifelines": "0.27.8",
    "scikit-survival": "0.22.1",
    "lime": "0.2.0.1",
    "python-gnupg": "0.5.1",
}


@pytest.fixture(scope="module")
def ml() -> Iterator[Machine]:
    """The real image. Nothing is skipped where it is missing."""
    with images.open_image("python-ml") as image, Sandbox(probe.detect(image.root)) as sandbox:
        yield Machine(sandbox, image.root)


def test_all_import_in_one_interpreter_in_the_documented_versions(ml: Machine) -> None:
    script = """
import json
import numpy, pandas, statsmodels.api, seaborn, xgboost, autosklearn.classification, autosklearn.regression
import pyreadstat, streamlit, imblearn, lifelines, sksurv, lime, gnupg
import sklearn, scipy, matplotlib, pyarrow, openpyxl, duckdb
from importlib.metadata import version
with open("/output/versions.json", "w") as file:
    json.dump({name: version(name) for name in NAMES}, file)
""".replace("NAMES", repr(sorted(VERSIONS)))
    ran = ml.run(script, limits=LIMITS)
    assert ran.error is None, f"{ran.error}\n{ran.log}"
    assert json.loads(ran.files["versions.json"]) == VERSIONS


def test_what_each_package_asks_for_is_there(ml: Machine) -> None:
    script = """
import json
from importlib.metadata import distributions, version, PackageNotFoundError
from packaging.requirements import Requirement
wrong = []
for each in distributions():
    for text in each.requires or ():
        asked = Requirement(text)
        if asked.marker is not None and not asked.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(asked.name)
        except PackageNotFoundError:
            found = None
        if found is None or not asked.specifier.contains(found, prereleases=True):
            wrong.append([each.metadata["Name"], text, found])
print(json.dumps(wrong))
"""
    assert ml.run(script, limits=LIMITS).json() == []


WORK = {
    "numpy, pandas": """
import numpy as np, pandas as pd
frame = pd.DataFrame({"group": list("aabb"), "value": [1.0, 2, 3, 4]})
assert frame.groupby("group")["value"].mean().tolist() == [1.5, 3.5]
frame.to_parquet("/output/frame.parquet"); frame.to_excel("/output/frame.xlsx", index=False)
assert pd.read_parquet("/output/frame.parquet").equals(frame)
assert pd.read_excel("/output/frame.xlsx")["value"].sum() == 10
""",
    "duckdb": """
import duckdb, pandas as pd
frame = pd.DataFrame({"a": range(10)})
assert duckdb.connect().execute("select sum(a) from frame").fetchone() == (45,)
""",
    "statsmodels": """
import numpy as np, statsmodels.api as sm
x = np.arange(50.0)
fitted = sm.OLS(3 * x + 1, sm.add_constant(x)).fit()
assert np.allclose(fitted.params, [1, 3])
""",
    "seaborn": """
import matplotlib.pyplot as plt, pandas as pd, seaborn as sns
sns.scatterplot(pd.DataFrame({"x": [1, 2, 3], "y": [3, 1, 2]}), x="x", y="y")
plt.savefig("/output/plot.png"); plt.savefig("/output/plot.svg"); plt.savefig("/output/plot.pdf")
assert open("/output/plot.png", "rb").read(4) == b"\\x89PNG"
""",
    "xgboost": """
from sklearn.datasets import load_breast_cancer
from xgboost import XGBClassifier
x, y = load_breast_cancer(return_X_y=True)
assert XGBClassifier(n_estimators=20, n_jobs=1).fit(x[:400], y[:400]).score(x[400:], y[400:]) > 0.9
""",
    "pyreadstat": """
import pandas as pd, pyreadstat
frame = pd.DataFrame({"age": [30.0, 40.0], "name": ["x", "y"]})
pyreadstat.write_sav(frame, "/tmp/file.sav"); pyreadstat.write_xport(frame, "/tmp/file.xpt")
assert pd.read_spss("/tmp/file.sav")["age"].tolist() == [30, 40]
assert pyreadstat.read_xport("/tmp/file.xpt")[0]["age"].tolist() == [30, 40]
""",
    "streamlit": """
from streamlit.testing.v1 import AppTest
shown = AppTest.from_string("import streamlit as st; st.title('hello')").run()
assert shown.title[0].value == "hello"
""",
    "imbalanced-learn": """
import numpy as np
from imblearn.over_sampling import SMOTE
x = np.random.default_rng(0).normal(size=(100, 2)); y = np.array([0] * 90 + [1] * 10)
assert (np.bincount(SMOTE(random_state=0).fit_resample(x, y)[1]) == 90).all()
""",
    "lifelines": """
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.datasets import load_rossi
rossi = load_rossi()
assert 0.7 < KaplanMeierFitter().fit(rossi["week"], rossi["arrest"]).predict(52) < 0.8
assert CoxPHFitter().fit(rossi, "week", "arrest").concordance_index_ > 0.6
""",
    "scikit-survival": """
from sksurv.datasets import load_veterans_lung_cancer
from sksurv.ensemble import RandomSurvivalForest
from sksurv.preprocessing import OneHotEncoder
x, y = load_veterans_lung_cancer()
x = OneHotEncoder().fit_transform(x.astype({c: "category" for c in x.columns if x[c].dtype == object}))
assert RandomSurvivalForest(n_estimators=20, random_state=0).fit(x, y).score(x, y) > 0.7
""",
    "lime": """
from lime.lime_tabular import LimeTabularExplainer
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
iris = load_iris()
model = LogisticRegression(max_iter=500).fit(iris.data, iris.target)
told = LimeTabularExplainer(iris.data, feature_names=iris.feature_names, random_state=0)
assert len(told.explain_instance(iris.data[0], model.predict_proba, num_features=2).as_list()) == 2
""",
    "python-gnupg": """
import gnupg, os
os.mkdir("/tmp/keys", 0o700)
gpg = gnupg.GPG(gnupghome="/tmp/keys")
locked = gpg.encrypt(b"hello", None, symmetric="AES256", passphrase="secret")
assert locked.ok, locked.stderr
assert gpg.decrypt(str(locked), passphrase="secret").data == b"hello"
""",
}


@pytest.mark.parametrize("library", WORK)
def test_each_does_real_work(ml: Machine, library: str) -> None:
    ran = ml.run(WORK[library], limits=LIMITS)
    assert ran.error is None, f"{ran.error}\n{ran.log}"


def test_half_a_minute_of_automl(ml: Machine) -> None:
    script = """
from autosklearn.classification import AutoSklearnClassifier
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

x, x_test, y, y_test = train_test_split(*load_iris(return_X_y=True), random_state=1)
automl = AutoSklearnClassifier(time_left_for_this_task=30, per_run_time_limit=10, memory_limit=1024, seed=1)
automl.fit(x, y)
print(automl.sprint_statistics())
assert automl.score(x_test, y_test) > 0.85
assert "crashed" in automl.sprint_statistics()
assert "Number of crashed target algorithm runs: 0" in automl.sprint_statistics()
"""
    ran = ml.run(script, limits=LIMITS)
    assert ran.error is None, f"{ran.error}\n{ran.log}"
