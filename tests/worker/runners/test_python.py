"""What a Python script finds, and what its users see when it fails: in real containers."""

from __future__ import annotations

import json
import zipfile
from io import BytesIO

import msgspec
import pytest

from cloister.errors import DefinitionInvalid
from cloister.rooms.limits import MIB, Limits
from cloister.worker.runners.script import limit_text, printable, script_name
from tests.containers import SMALL, Machine

DATA = "the-patients-secret"


def test_reads_inputs_and_writes_outputs(machine: Machine) -> None:
    script = """
import os
with open("/input/raw") as f, open("/output/upper.txt", "w") as g:
    g.write(f.read().upper())
os.makedirs("/output/a/b")
with open("/input/table/dataset.csv") as f, open("/output/a/b/rows", "w") as g:
    g.write(str(len(f.readlines())))
"""
    ran = machine.run(script, inputs={"raw": b"hello world", "table/dataset.csv": b"1,2\n3,4\n"})
    assert ran.error is None
    assert ran.files == {"upper.txt": b"HELLO WORLD", "a/b/rows": b"2"}


def test_finds_itself_as_a_plain_script_would(machine: Machine) -> None:
    script = """
import os, pickle, sys, json
class Thing: pass
print(json.dumps({
    "name": __name__, "file": __file__, "argv": sys.argv, "path": [sys.path[0], sys.path[-1]], "cwd": os.getcwd(),
    "pickled": pickle.loads(pickle.dumps(Thing)) is Thing, "main": sys.modules["__main__"].Thing is Thing,
    "stdin": sys.stdin.read(), "environment": dict(os.environ), "user": [os.getuid(), os.getgid(), os.getgroups()],
    "spec": __spec__, "names": sorted(globals()), "host": os.uname().nodename,
}))
"""
    seen = machine.run(script).json()
    assert seen["name"] == "__main__"
    assert seen["file"] == "/input/code/main.py"
    assert seen["argv"] == ["/input/code/main.py"]
    assert seen["path"] == ["/input/code", "/input"]
    assert seen["cwd"] == "/tmp"
    assert seen["pickled"]
    assert seen["main"]
    assert seen["stdin"] == ""
    assert seen["user"] == [1000, 1000, [1000]] or seen["user"] == [1000, 1000, []]
    assert seen["spec"] is None
    assert seen["host"] == "sandbox"
    assert set(seen["names"]) == {
        *("__annotations__", "__builtins__", "__cached__", "__doc__", "__file__", "__loader__", "__name__"),
        *("__package__", "__spec__", "Thing", "os", "pickle", "sys", "json"),
    }
    assert seen["environment"].keys() == {
        *("PATH", "HOME", "TMPDIR", "USER", "LANG", "TZ", "PYTHONDONTWRITEBYTECODE", "MPLCONFIGDIR", "NUMBA_CACHE_DIR"),
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS", "LOKY_MAX_CPU_COUNT"),
    }


def test_imports_additional_files_and_inputs(machine: Machine) -> None:
    script = "import helper, lib.inner, fromdata; print(helper.x + lib.inner.y + fromdata.z)"
    files = {"helper.py": "x = 1", "lib/inner.py": "y = 2", "notes.txt": "ünïcode"}
    assert machine.run(script, files=files, inputs={"fromdata.py": b"z = 4"}).log == "7\n"


def test_no_input_stands_in_for_a_library(machine: Machine) -> None:
    """A result of another computation is data; its name can't make it the `json` that everybody imports."""
    ran = machine.run("import json; print(json.__file__)", inputs={"json/__init__.py": b"raise SystemExit(1)"})
    assert ran.error is None
    assert ran.log.startswith("/usr/lib/python3")


def test_an_input_may_be_called_code(machine: Machine) -> None:
    script = "import sys; print(open('/input/code').read(), sys.argv)"
    assert machine.run(script, inputs={"code": b"data"}).log == "data ['/code/main.py']\n"


def test_script_and_additional_file_of_the_same_name(machine: Machine) -> None:
    ran = machine.run("import main, sys; print(main.x, sys.argv)", files={"main.py": "x = 'theirs'"})
    assert ran.log == "theirs ['/input/code/script.py']\n"
    assert script_name({"main.py": "", "script.py/x": "", "script2.py": ""}, ".py") == "script3.py"


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "", ".", "a//b", "a/", "a\0b"])
def test_additional_files_stay_in_their_folder(machine: Machine, name: str) -> None:
    with pytest.raises(DefinitionInvalid, match="additional file"), machine.running("1", files={name: "x"}):
        pass
    assert machine.left() == []


def test_multiprocessing_and_threads(machine: Machine) -> None:
    script = """
import concurrent.futures, json, multiprocessing
from multiprocessing.shared_memory import SharedMemory
def square(x): return x * x
if __name__ == "__main__":
    found = {}
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            found[method] = pool.map(square, range(4))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found["threads"] = list(pool.map(square, range(4)))
    shared = SharedMemory(create=True, size=10)
    found["shared"] = shared.size
    shared.unlink()
    print(json.dumps(found))
"""
    squares = [0, 1, 4, 9]
    seen = machine.run(script).json()
    assert seen.pop("shared") >= 10
    assert seen == {"fork": squares, "spawn": squares, "threads": squares}


def test_pandas_works(machine: Machine) -> None:
    script = """
import pandas as pd
frame = pd.read_csv("/input/table/dataset.csv", names=["a", "b"])
frame.groupby("a").mean().to_csv("/output/result.csv", header=False)
"""
    ran = machine.run(script, inputs={"table/dataset.csv": b"x,1\nx,3\ny,5\n"})
    assert ran.error is None, ran.log
    assert ran.files == {"result.csv": b"x,2.0\ny,5.0\n"}


def test_the_same_work_gives_the_same_zip(machine: Machine) -> None:
    script = "import time\nfor n in 'bca': open(f'/output/{n}', 'w').write(n * 1000)"
    first, second = machine.run(script), machine.run(script + "\n")
    assert first.archive == second.archive
    with zipfile.ZipFile(BytesIO(first.archive)) as archive:
        assert archive.namelist() == ["a", "b", "c"]


def test_a_traceback_without_the_message(machine: Machine) -> None:
    script = f"""
import json

def parse(text):
    return json.loads(text)

class Unhappy(Exception):
    pass

try:
    parse({DATA!r})
except ValueError as error:
    raise Unhappy({DATA!r}) from error
"""
    ran = machine.run(script)
    assert ran.error == (
        "The script failed.\n"
        "Traceback (most recent call last):\n"
        '  File "/input/code/main.py", line 13, in <module>\n'
        "Unhappy: (message withheld)"
    )
    assert DATA in ran.log


def test_a_traceback_through_the_image_and_additional_files(machine: Machine) -> None:
    ran = machine.run(
        "import helper\nhelper.parse()", files={"helper.py": "import json\ndef parse():\n    json.loads('')"}
    )
    assert ran.error is not None
    lines = ran.error.splitlines()
    assert lines[2:4] == [
        '  File "/input/code/main.py", line 2, in <module>',
        '  File "/input/code/helper.py", line 3, in parse',
    ]
    assert '"/usr/lib/python3.11/json/decoder.py"' in lines[-2]
    assert lines[-1] == "json.decoder.JSONDecodeError: (message withheld)"


def test_the_printed_traceback_is_pythons_own(machine: Machine) -> None:
    ran = machine.run("def f():\n    return 1 / 0\nf()")
    assert ran.log == (
        "Traceback (most recent call last):\n"
        '  File "/input/code/main.py", line 3, in <module>\n'
        "    f()\n"
        '  File "/input/code/main.py", line 2, in f\n'
        "    return 1 / 0\n"
        "           ~~^~~\n"
        "ZeroDivisionError: division by zero\n"
    )
    assert ran.run.console == ran.log.rstrip()
    assert ran.error is not None
    assert "division by zero" not in ran.error


def test_a_syntax_error_names_its_line(machine: Machine) -> None:
    ran = machine.run("x = 1\ny = = 2\n")
    assert ran.error is not None
    assert 'File "/input/code/main.py", line 2' in ran.error
    assert ran.error.endswith("SyntaxError: (message withheld)")


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ("import sys; sys.exit(7)", 7, "exited with a non-zero code"),
        (f"import sys; sys.exit({DATA!r})", 1, "exited with a non-zero code"),
        ("import os; os._exit(93)", 93, "exited with a non-zero code"),
        ("import os; os.abort()", 134, "crashed, or was ended by a signal"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137, "crashed, or was ended by a signal"),
        ("raise KeyboardInterrupt", 130, "KeyboardInterrupt"),
    ],
)
def test_exit_codes(machine: Machine, script: str, code: int, words: str) -> None:
    ran = machine.run(script)
    assert ran.outcome.exit_code == code
    assert ran.error is not None
    assert words in ran.error
    assert DATA not in ran.error
    assert str(code) not in ran.error


@pytest.mark.parametrize("script", ["import sys; sys.exit()", "import sys; sys.exit(0)", "raise SystemExit(False)"])
def test_leaving_early_is_no_failure(machine: Machine, script: str) -> None:
    assert machine.run(script).error is None


def test_what_runs_at_exit_runs(machine: Machine) -> None:
    script = """
import atexit, threading, time
atexit.register(lambda: print("at exit"))
threading.Thread(target=lambda: (threading.Event().wait(0.05), print("thread"))).start()
print("main")
"""
    assert machine.run(script).log == "main\nthread\nat exit\n"


def test_a_hook_for_uncaught_exceptions_is_called(machine: Machine) -> None:
    script = "import sys\nsys.excepthook = lambda *a: print('hook', a[0].__name__)\n1 / 0"
    ran = machine.run(script)
    assert ran.log == "hook ZeroDivisionError\n"
    assert ran.outcome.exit_code == 1


def test_the_log_is_in_the_zip_where_asked_for(machine: Machine) -> None:
    script = "import sys; print('out'); print('err', file=sys.stderr); open('/output/x', 'w')"
    ran = machine.run(script, enable_logs_on_success=True)
    assert ran.files.keys() == {"x", "container.log"}
    assert set(ran.files["container.log"].split()) == {b"out", b"err"}
    assert machine.run(script).files.keys() == {"x"}


def test_an_output_with_the_name_of_the_log(machine: Machine) -> None:
    script = "open('/output/container.log', 'w').write('mine')"
    assert machine.run(script).files == {"container.log": b"mine"}
    refused = machine.run(script, enable_logs_on_success=True).refused
    assert refused is not None
    assert "container.log" in refused


HUNGRY = {
    "memory": "held = []\nwhile True: held.append(bytearray(1 << 20))",
    "output size": "f = open('/output/x', 'wb')\nwhile True: f.write(bytes(1 << 16))",
    "output files": "import itertools\nfor n in itertools.count(): open(f'/output/{n}', 'w')",
    "scratch": "f = open('/tmp/x', 'wb')\nwhile True: f.write(bytes(1 << 16))",
    "pids": "import os, time\nwhile True:\n    if os.fork() == 0: time.sleep(100)",
    "wall time": "while True: pass",
}


@pytest.mark.parametrize("limit", HUNGRY)
def test_each_limit_ends_with_an_error_that_names_it(machine: Machine, limit: str) -> None:
    ran = machine.run(
        HUNGRY[limit], limits=msgspec.structs.replace(SMALL, wall_seconds=1 if limit == "wall time" else 20)
    )
    assert ran.run.limit == limit
    assert ran.error == limit_text(limit, ran.run.task.limits)
    assert ran.outcome.wall_seconds < 15


def test_what_fits_exactly_is_no_breach(machine: Machine) -> None:
    limits = Limits(memory_bytes=64 * MIB, output_bytes=MIB, output_files=2, wall_seconds=20, log_bytes=1000)
    ran = machine.run(
        "open('/output/a', 'wb').write(bytes(1 << 20)); open('/output/b', 'wb'); print('x' * 999)", limits=limits
    )
    assert ran.error is None
    assert {name: len(content) for name, content in ran.files.items()} == {"a": MIB, "b": 0}
    assert ran.log == "x" * 999 + "\n"


def test_a_full_output_is_no_success_though_the_script_says_so(machine: Machine) -> None:
    script = "import os\ntry:\n    open('/output/x', 'wb').write(bytes(17 << 20))\nexcept OSError: os._exit(0)"
    assert machine.run(script).run.limit == "output size"


def test_a_refused_process_that_did_no_harm_is_not_blamed(machine: Machine) -> None:
    script = """
import os, signal
children = []
try:
    while True:
        child = os.fork()
        if child == 0: signal.pause()
        children.append(child)
except BlockingIOError:
    for child in children: os.kill(child, 9)
raise LookupError
"""
    ran = machine.run(script)
    assert ran.outcome.refused_processes
    assert ran.run.limit is None
    assert ran.error is not None
    assert "LookupError" in ran.error


def test_facts_of_a_run(machine: Machine) -> None:
    ran = machine.run("x = bytearray(50 << 20)\nimport time; time.sleep(0.2)")
    assert 0.2 < ran.outcome.wall_seconds < 5
    assert ran.outcome.peak_memory_bytes is not None
    assert 49 << 20 < ran.outcome.peak_memory_bytes < 100 << 20  # the kernel counts in strides
    assert ran.outcome.exit_code == 0
    assert not ran.outcome.cancelled


def test_printable() -> None:
    assert printable(b"a\x1b[31mred\x00\xff\tb\n\n") == "a\ufffd[31mred\ufffd\ufffd\tb"


def test_the_report_is_not_read_by_children(machine: Machine) -> None:
    """A child that outlives an exec has no way to report in the script's name."""
    ran = machine.run(
        "import subprocess, sys\nprint(subprocess.run(['ls', '/proc/self/fd'], capture_output=True, text=True).stdout)"
    )
    assert json.loads("[" + ",".join(ran.log.split()) + "]") == [0, 1, 2, 3]  # 3 is the listed folder itself
