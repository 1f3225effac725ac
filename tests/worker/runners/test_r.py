"""What an R script finds, and what its users see when it fails: in real containers of the real image."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.formats.table_schema import Column, read_schema, write_schema
from cloister.rooms.limits import MIB, Limits
from cloister.worker.images import store as images
from cloister.worker.runners.r import KnownR, R
from cloister.worker.runners.script import blueprint
from cloister.worker.sandbox import probe
from cloister.worker.sandbox.container import Sandbox
from cloister.worker.sandbox.failure import safe_traceback
from cloister.worker.sandbox.pool import Pool
from tests.containers import Machine

LIMITS = Limits(memory_bytes=512 * MIB, pids=64, wall_seconds=60, scratch_bytes=16 * MIB, output_bytes=16 * MIB)
SECRET = "patient4711"


@pytest.fixture(scope="module")
def r_image() -> Iterator[Path]:
    """The real image: nothing is skipped where it is missing."""
    with images.open_image("r") as image:
        yield image.root


@pytest.fixture(scope="module", params=["cold", "warm"])
def machine(request: pytest.FixtureRequest, r_image: Path) -> Iterator[Machine]:
    """One that runs R."""
    with Sandbox(probe.detect(r_image)) as sandbox:
        if request.param == "cold":
            yield Machine(sandbox, r_image, language=R)
        else:
            with Pool(sandbox, 1, blueprint(R, r_image, LIMITS, ()), ("r:stats",)) as pool:
                yield Machine(sandbox, r_image, pool, language=R)


def test_reads_inputs_and_writes_outputs(machine: Machine) -> None:
    script = """
lines <- readLines("/input/raw")
writeLines(toupper(lines), "/output/upper.txt")
dir.create("/output/a/b", recursive = TRUE)
table <- read.csv("/input/table/dataset.csv", header = FALSE)
cat(nrow(table), file = "/output/a/b/rows")
"""
    inputs = {"raw": b"hello world\n", "table/dataset.csv": b"1,2\n3,4\n"}
    ran = machine.run(script, inputs=inputs, limits=LIMITS)
    assert ran.error is None, ran.log
    assert ran.files == {"upper.txt": b"HELLO WORLD\n", "a/b/rows": b"2"}


def test_tables_go_in_and_out(machine: Machine) -> None:
    script = """
table <- read_tabular_data("/input/table")
stopifnot(identical(names(table), c("id", "name", "V3")), is.integer(table$id), is.na(table$name[2]))
table$V3 <- table$V3 * 2
table$large <- table$id > 1
write_tabular_data(table)
empty <- read_tabular_data("/input/empty")
stopifnot(nrow(empty) == 0, is.integer(empty$id), is.character(empty$name))
write_tabular_data(empty, "/output/empty")
stopifnot(inherits(try(write_tabular_data(table), silent = TRUE), "try-error"))
"""
    columns = [Column("id", "INT64", False), Column("name", "STRING", True), Column(None, "FLOAT64", False)]
    types = write_schema(columns)
    inputs = {
        "table/dataset.csv": '1,"a ""b"", ç",0.5\n2,,1.25\n'.encode(),
        "table/types": types,
        "empty/dataset.csv": b"",
        "empty/types": types,
    }
    ran = machine.run(script, inputs=inputs, limits=LIMITS)
    assert ran.error is None, ran.log
    assert ran.files["dataset.csv"].decode() == '1,"a ""b"", ç",1,0\n2,,2.5,1\n'
    named = [Column("id", "INT64", False), Column("name", "STRING", True), Column("V3", "FLOAT64", False)]
    assert read_schema(ran.files["types"]) == [*named, Column("large", "INT64", False)]
    assert read_schema(ran.files["empty/types"]) == [column._replace(nullable=False) for column in named]
    assert ran.files["empty/dataset.csv"] == b""


def test_finds_itself_as_rscript_would(machine: Machine) -> None:
    script = """
invisible(5)
6
cat(length(ls()), length(ls(all.names = TRUE)), getwd(), interactive(), length(readLines(file("stdin"))), "\\n")
cat(exists("descriptor"), is.null(getOption("error")), search()[1], environmentName(environment()), "\\n")
source("/input/code/lib/helper.R")
helper()
"""
    ran = machine.run(script, files={"lib/helper.R": "helper <- function() 42"}, limits=LIMITS)
    assert ran.error is None, ran.log
    assert ran.log.splitlines() == [
        "[1] 6",
        "0 0 /tmp FALSE 0 ",
        "FALSE TRUE .GlobalEnv R_GlobalEnv ",
        "[1] 42",
    ]


def test_an_error_is_told_by_its_places_and_class(machine: Machine) -> None:
    script = f"""outer <- function(x) {{
  inner(x)
}}
inner = function(x) {{
  stop("{SECRET}")
}}
outer(1)
"""
    ran = machine.run(script, limits=LIMITS)
    assert ran.error == (
        "The script failed.\n"
        "Traceback (most recent call last):\n"
        '  File "/input/code/main.R", line 7, in <script>\n'
        '  File "/input/code/main.R", line 2, in outer\n'
        '  File "/input/code/main.R", line 5, in inner\n'
        "simpleError: (message withheld)"
    )
    assert SECRET in ran.log


def test_a_syntax_error_is_told(machine: Machine) -> None:
    error = machine.run("x <- (1 +\n", limits=LIMITS).error
    assert error is not None
    assert error.endswith("simpleError: (message withheld)")


def test_a_condition_of_its_own_and_a_safe_error(machine: Machine) -> None:
    own = 'stop(structure(class = c("too_few", "error", "condition"), list(message = "seven", call = NULL)))'
    error = machine.run(own, limits=LIMITS).error
    assert error is not None
    assert error.endswith("too_few: (message withheld)")
    error = machine.run(own.replace("too_few", "safe_error"), limits=LIMITS).error
    assert error is not None
    assert error.endswith("safe_error: seven")


def test_a_made_up_class_is_not_told(machine: Machine) -> None:
    script = """
name <- paste0("patient", 4711)
stop(structure(class = c(name, "error", "condition"), list(message = "", call = NULL)))
"""
    error = machine.run(script, limits=LIMITS).error
    assert error is not None
    assert error.endswith("\nerror: (message withheld)")


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("quit(status = 3)", "The script exited with a non-zero code. Its output was not collected."),
        (
            "tools::pskill(Sys.getpid(), 9)",
            "The script crashed, or was ended by a signal. Its output was not collected.",
        ),
    ],
)
def test_how_it_ends(machine: Machine, script: str, error: str) -> None:
    assert machine.run(script, limits=LIMITS).error == error


@pytest.mark.slow
def test_limits_name_themselves(machine: Machine) -> None:
    hog = "x <- list(); repeat x[[length(x) + 1]] <- numeric(1e6) + 1"
    assert "limit on memory" in (machine.run(hog, limits=LIMITS).error or "")
    forks = "p <- lapply(1:500, function(i) parallel::mcparallel(Sys.sleep(100)))"
    assert "limit on pids" in (machine.run(forks, limits=LIMITS).error or "")


@pytest.mark.slow
def test_the_usual_packages_do_real_work(machine: Machine) -> None:
    script = """
suppressPackageStartupMessages({
  library(tidyverse); library(data.table); library(survival); library(lme4); library(glmnet)
  library(haven); library(readxl); library(jsonlite); library(broom); library(car); library(caret); library(rms)
  library(randomForest); library(ranger); library(mice); library(survminer); library(emmeans); library(pROC)
  library(effects); library(AER); library(msm); library(mclust); library(factoextra); library(ggforce)
})
set.seed(1)
stopifnot(nrow(mtcars |> group_by(cyl) |> summarise(mpg = mean(mpg))) == 3)
stopifnot(as.data.table(mtcars)[, .N, by = cyl][, sum(N)] == 32)
stopifnot(abs(coef(lm(mpg ~ wt, mtcars))["wt"] + 5.34) < 0.01)
stopifnot(summary(coxph(Surv(time, status) ~ sex, lung))$coefficients[1] < 0)
stopifnot(isTRUE(fixef(lmer(Reaction ~ Days + (1 | Subject), sleepstudy))["Days"] > 10))
stopifnot(inherits(glmnet(as.matrix(mtcars[, -1]), mtcars$mpg), "glmnet"))
stopifnot(ranger(Species ~ ., iris, num.trees = 20, num.threads = 1)$prediction.error < 0.2)
write_sav(iris, "/tmp/iris.sav"); stopifnot(nrow(read_sav("/tmp/iris.sav")) == 150)
stopifnot(fromJSON(toJSON(list(a = 1)))$a == 1)
ggsave("/output/plot.png", ggplot(mtcars, aes(wt, mpg)) + geom_point(), width = 3, height = 3)
stopifnot(sum(unlist(parallel::mclapply(1:4, identity, mc.cores = 2))) == 10)
cat(readBin("/output/plot.png", "raw", 4) == as.raw(c(0x89, 0x50, 0x4e, 0x47)))
"""
    ran = machine.run(script, limits=Limits(memory_bytes=2048 * MIB, wall_seconds=120, scratch_bytes=64 * MIB))
    assert ran.error is None, f"{ran.error}\n{ran.log}"
    assert ran.log.endswith("TRUE TRUE TRUE TRUE")


SOURCES = {"/input/code/main.R": "f <- function(x) x\ng = \\(y) y\n h<<-function() 1\nz <- 'known_class'\n"}


@pytest.mark.parametrize(
    ("frame", "true"),
    [
        (("main.R", 1, "<script>"), True),
        (("main.R", 1, "f"), True),
        (("main.R", 2, "g"), True),
        (("main.R", 3, "h"), True),
        (("main.R", 2, "h"), False),
        (("main.R", 9, "<script>"), False),
        (("main.R", 0, "<script>"), False),
        (("main.R", 1, "x"), False),
        (("main.R", 1, SECRET), False),
        (("main.R", 1, ".*"), False),
        ((SECRET, 1, "<script>"), False),
    ],
)
def test_only_places_of_the_script_are_shown(frame: tuple[str, int, str], true: bool) -> None:
    told = {"file": f"/input/code/{frame[0]}", "line": frame[1], "function": frame[2]}
    report = json.dumps({"version": 1, "frames": [told], "module": "R", "exception": "simpleError"}).encode()
    shown = safe_traceback(report, SOURCES, KnownR(SOURCES))
    assert shown is not None
    assert ("File" in shown) is true
    assert SECRET not in shown


@given(module=st.text(), exception=st.text())
def test_made_up_classes_never_come_through(module: str, exception: str) -> None:
    known = KnownR(SOURCES)
    assert known.name(module, exception + SECRET) == "error"
    assert known.name("R", "known_class") == "known_class"
