"""Runs inside the container, before and around the script. Trusted by nobody: the script can become it.

It waits for `go` on standard input, so that nothing of the task runs before the worker has checked the limits; if the
worker dies instead, it ends. It then runs the script as `python script.py` would: a fresh `__main__`, its own
`sys.argv`, the folder of the script first on `sys.path`, /input last (where no result of another computation can
stand in for a library), tracebacks without a frame of the launcher. Of an uncaught exception it sends the places and
class names to the worker, which believes none of it without checking.

Usage: launcher.py SCRIPT REPORT_DESCRIPTOR
"""

# It imports little, since what it imports the script finds imported already.
# ruff: noqa: PTH120, PTH123, S102

import os
import sys
from types import ModuleType, TracebackType


def _frames(traceback: TracebackType | None, limit: int = 1000) -> list[dict[str, str | int]]:
    found: list[dict[str, str | int]] = []
    while traceback is not None and len(found) < limit:
        code = traceback.tb_frame.f_code
        found.append({"file": code.co_filename, "line": traceback.tb_lineno or 1, "function": code.co_name})
        traceback = traceback.tb_next
    return found


def _report(descriptor: int, error: BaseException, traceback: TracebackType | None) -> None:
    import json

    frames = _frames(traceback)
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        frames.append({"file": str(error.filename), "line": int(error.lineno), "function": "<module>"})
    kind = type(error)
    shown = frames if len(frames) <= 40 else frames[:10] + frames[-30:]
    message = {"version": 1, "frames": shown, "module": str(kind.__module__), "exception": kind.__qualname__}
    try:
        os.set_blocking(descriptor, False)
        os.write(descriptor, json.dumps(message).encode())
    except OSError:
        pass


def _show(error: BaseException, traceback: TracebackType | None) -> None:
    """Print it as the interpreter would, through the hook that the script may have set."""
    error.__traceback__ = traceback
    try:
        sys.excepthook(type(error), error, traceback)
    except BaseException:
        sys.__excepthook__(type(error), error, traceback)


def _wait_for_go() -> None:
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            os._exit(125)
        line += byte
    # The worker holds the other end as long as it lives. If it died before the kernel was asked to tell tini of its
    # death, nobody watches the time.
    os.set_blocking(0, False)
    try:
        alive = os.read(0, 1) != b""
    except BlockingIOError:
        alive = True
    if line != b"go\n" or not alive:
        os._exit(125)


def _main(script: str, descriptor: int) -> None:
    _wait_for_go()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.set_inheritable(descriptor, False)

    import importlib
    from importlib.machinery import SourceFileLoader

    main = ModuleType("__main__")
    main.__file__ = script
    main.__loader__ = SourceFileLoader("__main__", script)
    main.__dict__.update(__annotations__={}, __builtins__=sys.modules["builtins"], __cached__=None)
    sys.modules["__main__"] = main
    sys.argv = [script]
    sys.path[0] = os.path.dirname(script)
    if "/input" not in sys.path:
        sys.path.append("/input")
    importlib.invalidate_caches()

    try:
        with open(script, "rb") as file:
            code = compile(file.read(), script, "exec", dont_inherit=True)
        exec(code, main.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        # The first frame is this function's own; a syntax error has no other.
        traceback = error.__traceback__ and error.__traceback__.tb_next
        _report(descriptor, error, traceback)
        _show(error, traceback)
        sys.exit(130 if isinstance(error, KeyboardInterrupt) else 1)


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
