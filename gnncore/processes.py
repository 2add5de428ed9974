"""Worker processes that never outlive the program that started them."""

import multiprocessing
import os
import threading

ENDED_WITH_PARENT = 17
"""Exit status of a worker whose parent is gone."""


def end_with_parent() -> None:
    """Let this worker process end as soon as its parent does, whatever ended the parent.

    Call it first in a process that :mod:`multiprocessing` or a process pool started. A thread
    waits for the end of the parent, which the operating system tells; what the worker was writing
    is whole or absent, as everything written through :mod:`gnncore.storage`. In a process of
    another origin it does nothing.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(ENDED_WITH_PARENT)

    threading.Thread(target=wait, name="end-with-parent", daemon=True).start()
