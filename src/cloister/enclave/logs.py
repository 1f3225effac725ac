"""The enclave's own log: what an operator may read. Never names, never contents."""

from __future__ import annotations

import logging

log = logging.getLogger("cloister.enclave")


def place(error: BaseException) -> str:
    """Type and innermost line of an error. Its message is left out: it may hold what a request said."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "unknown place"
    return f"{type(error).__name__} at {where}"
