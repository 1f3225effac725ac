"""Runs inside the container, before and around the script. Trusted by nobody: the script can become it.

It reads the line of modules to import ahead from standard input, imports them, and says that it is `ready`. Then it
waits for the line that names the script, so that nothing of the task runs before the worker has checked the limits; if
the worker dies instead, it ends. It then runs the script as `python script.py` would: a fresh `__main__`, its own
`sys.argv`, the folder of the script first on `sys.path`, /input last (where no result of another computation can
stand in for a library), tracebacks without a frame of the launcher, random numbers of its own. Of an uncaught exception
it sends the places and class names to the worker, which believes none of it without checking.

It ends as the interpreter would, threads, exit functions and finalizers of the script's objects included, but does not
take apart the libraries' own objects, which takes longer than many a script.

Usage: launcher.py REPORT_DESCRIPTOR
"""

# It imports little, since what it imports the script finds imported already.
# ruff: noqa: PTH120, PTH123, S102

import atexit
import gc
import io
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
    if text := _safe_text(error):
        message["safe"] = text
    try:
        os.set_blocking(descriptor, False)
        os.write(descriptor, json.dumps(message).encode())
    except OSError:
        pass


def _safe_text(error: BaseException) -> str:
    """What an error that declares itself safe (cloister_util) says may be shown; of others, nothing."""
    declaring = sys.modules.get("cloister_util.error")
    if declaring is None or not isinstance(error, declaring.SafeError):
        return ""
    try:
        return str(error.safe_str())[:1000]
    except Exception:
        return ""


def _show(error: BaseException, traceback: TracebackType | None) -> None:
    """Print it as the interpreter would, through the hook that the script may have set."""
    error.__traceback__ = traceback
    try:
        sys.excepthook(type(error), error, traceback)
    except BaseException:
        sys.__excepthook__(type(error), error, traceback)


def _line() -> str:
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            os._exit(125)
        line += byte
    return line[:-1].decode()


def _import_ahead(names: list[str]) -> None:
    for name in names:
        try:
            __import__(name)
        except Exception:  # noqa: S112 - an image may lack it; a script that needs it will say so
            continue
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def _wait_for_script() -> str:
    script = _line()
    # The worker holds the other end as long as it lives. If it died before the kernel was asked to tell tini of its
    # death, nobody watches the time.
    os.set_blocking(0, False)
    try:
        alive = os.read(0, 1) != b""
    except BlockingIOError:
        alive = True
    if not alive:
        os._exit(125)
    return script


def _reseed() -> None:
    """What has drawn random numbers from the machine when it was imported does so again."""
    if "random" in sys.modules:
        sys.modules["random"].seed()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()


def _main(descriptor: int) -> None:
    _import_ahead(_line().split())
    os.write(descriptor, b"ready\n")
    script = _wait_for_script()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.set_inheritable(descriptor, False)
    _reseed()

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
    gc.freeze()  # nothing that is there now has to be looked at again

    exit_now = os._exit  # the script may put something else in its place
    code = _run(script, main, descriptor)
    exit_now(_finish(main, code))


def _run(script: str, main: ModuleType, descriptor: int) -> int:
    """Run the script; its exit code."""
    try:
        with open(script, "rb") as file:
            code = compile(file.read(), script, "exec", dont_inherit=True)
        exec(code, main.__dict__)
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return (error.code or 0) & 0xFF
        print(error.code, file=sys.stderr)
        return 1
    except BaseException as error:
        # The first frame is this function's own; a syntax error has no other.
        traceback = error.__traceback__ and error.__traceback__.tb_next
        _report(descriptor, error, traceback)
        _show(error, traceback)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _finish(main: ModuleType, code: int) -> int:
    """What Py_FinalizeEx does that can be noticed: wait for threads, run exit functions, drop the script's objects,
    flush. The exit code, which is another where standard output can't be written."""
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()
    atexit._run_exitfuncs()
    if not _flush():
        code = 120
    for module in (*_own_modules(os.path.dirname(main.__file__ or "")), main):
        names = [name for name in module.__dict__ if name != "__builtins__"]
        # Names with an underscore first, as the interpreter does.
        for name in sorted(names, key=lambda name: not name.startswith("_")):
            module.__dict__[name] = None
    gc.collect()
    for each in gc.get_objects():
        # What libraries hold on to for the script. A class may lie about itself, its type doesn't.
        if issubclass(type(each), io.IOBase):
            try:
                each.flush()
            except Exception:  # noqa: S112 - closed, or its place is full: the interpreter says nothing either
                continue
    return code if _flush() else 120


def _own_modules(folder: str) -> list[ModuleType]:
    """Those imported from beside the script, or from the input."""
    found = []
    for module in list(sys.modules.values()):
        file = getattr(module, "__dict__", {}).get("__file__")
        if isinstance(file, str) and file.startswith((f"{folder}/", "/input/")):
            found.append(module)
    return found


def _flush() -> bool:
    """Whether standard output and error could be written, or are closed."""
    good = True
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except Exception:
            good = False
    return good


if __name__ == "__main__":
    _main(int(sys.argv[1]))
