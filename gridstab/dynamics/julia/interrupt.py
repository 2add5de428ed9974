"""Ctrl-C while a call of compiled code lasts."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from jaxtyping import Int


@contextmanager
def cancelling_on_interrupt(cancel: Int[np.ndarray, " 1"]) -> Iterator[None]:
    """Set ``cancel`` to 1 as soon as Ctrl-C is pressed within the block.

    Python runs its handlers between two of its own instructions, which is after the call. But its
    C handler writes to a file descriptor at once, and a thread that reads it can set the flag.
    Where Ctrl-C does not raise KeyboardInterrupt, its handler waits until after the call.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    former = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def watch() -> None:
        while numbers := os.read(reader, 64):
            if signal.SIGINT in numbers:
                cancel[0] = 1
            if former != -1:  # an event loop waits for it
                os.write(former, numbers)

    watcher = threading.Thread(target=watch, name="interrupt", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(former)
        os.close(writer)
        watcher.join()
        os.close(reader)
