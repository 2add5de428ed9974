"""Julia inside this process, through PyJulia's ``LibJulia`` (PyCall.jl is not needed).

A Julia that shares a process with Python is safe under conditions, which :func:`obstacle` checks
before every call; where one fails, :mod:`gridstab.dynamics.julia.server` does the work:

* libjulia may only be called from the thread that started it, here always the main thread;
* a forked child has Julia's memory but none of its threads;
* Julia's garbage collector stops threads by SIGSEGV, so its handler must not be replaced
  (``faulthandler.enable()`` does that: call it before the first simulation, as pytest does) nor be
  left out (``--handle-signals=no``).
"""

import ctypes
import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from gnncore.extras import install_command
from gridstab.dynamics.julia.find import OPTIONS, find_source, julia_environment
from gridstab.dynamics.julia.interrupt import cancelling_on_interrupt
from gridstab.dynamics.julia.request import CANCELLED, FAILED, Arrays, Problem
from gridstab.errors import EngineFailedError, EngineUnavailableError, InvalidParameterError

MODES = ("auto", "subprocess")

_SIGACTION_BYTES = 256
"""At least the size of ``struct sigaction``, whose first member is the handler."""


class EmbeddedJulia:
    """The Julia of this process; :func:`embedded_julia` gives the one that there can be.

    Args:
        julia: The julia binary.
        threads: Number of Julia's threads, which cannot change later.
        options: Command-line options of Julia.

    Raises:
        InvalidParameterError: The options are unsafe in a process that is shared.
        EngineUnavailableError: Julia cannot be loaded into this process, or GridDynamics into it.
    """

    def __init__(self, julia: Path, threads: int, options: Sequence[str] = OPTIONS) -> None:
        if threads > 1 and "--handle-signals=no" in options:
            raise InvalidParameterError(
                f"--handle-signals=no crashes Julia with {threads} threads; leave it out, or take "
                "one thread"
            )
        from julia.api import LibJulia

        self.process = os.getpid()
        self.thread = threading.get_ident()
        self.threads = threads
        try:
            with _variables(julia_environment(threads)), _signals_kept():
                self._api: Any = LibJulia.load(julia=str(julia))
                self._api.init_julia(list(options))
        except (OSError, RuntimeError, ValueError) as error:
            raise EngineUnavailableError(
                f"{julia} cannot be loaded into this process ({_one_line(str(error))}); "
                "set GRIDSTAB_JULIA_MODE=subprocess"
            ) from error
        self._api.jl_string_ptr.argtypes = [ctypes.c_void_p]
        self._api.jl_string_ptr.restype = ctypes.c_char_p
        self.handler = _segmentation_fault_handler()
        self._load(find_source())
        run, final_states = (self._number(f"GridDynamics.entry_points()[{k}]") for k in (1, 2))
        pointer = ctypes.c_void_p
        # CFUNCTYPE, not PYFUNCTYPE: it releases the GIL.
        self._run = ctypes.CFUNCTYPE(ctypes.c_int, pointer)(run)
        self._final_states = ctypes.CFUNCTYPE(
            ctypes.c_int, pointer, pointer, pointer, ctypes.c_double
        )(final_states)

    def run(self, problem: Problem, outputs: Arrays, time: float | None = None) -> None:
        """Fills ``outputs``; with ``time``, these are the states ``theta`` and ``omega`` then.

        Raises:
            EngineFailedError: GridDynamics failed; the message is Julia's.
            KeyboardInterrupt: Ctrl-C was pressed.
        """
        done, cancel = np.zeros(1, np.int64), np.zeros(1, np.int64)
        message = ctypes.create_string_buffer(4096)
        states = None
        if time is not None:
            states = (outputs["theta_out"], outputs["omega_out"])
            count = problem.trajectories
            outputs = {
                "status": np.zeros(count, np.int8),
                "reason": np.zeros(count, np.int8),
                "stop_time": np.zeros(count),
                "max_frequency": np.zeros(count),
            }
        request = problem.request(outputs, done=done, cancel=cancel, message=message)
        with cancelling_on_interrupt(cancel):
            if states is None:
                code = self._run(ctypes.addressof(request))
            else:
                theta, omega = (state.ctypes.data for state in states)
                code = self._final_states(ctypes.addressof(request), theta, omega, time)
        if code == CANCELLED:
            raise KeyboardInterrupt
        if code == FAILED:
            text = message.value.decode("utf-8", "replace")
            raise EngineFailedError(f"the Julia engine failed: {_one_line(text)}")

    def _load(self, path: Path) -> None:
        # A literal of JSON is one of Julia, but for the dollar.
        literal = json.dumps(str(path), ensure_ascii=False).replace("$", r"\$")
        value = self._evaluate(
            f'try include({literal}); ""; catch error; sprint(showerror, error); end'
        )
        message = self._api.jl_string_ptr(value).decode("utf-8", "replace")
        if message:
            raise EngineUnavailableError(f"Julia cannot load GridDynamics: {_one_line(message)}")

    def _number(self, code: str) -> int:
        return int(self._api.jl_unbox_int64(self._evaluate(f"Int64({code})")))

    def _evaluate(self, code: str) -> int:
        value = self._api.jl_eval_string(code.encode())
        error = self._api.jl_exception_occurred()
        if error or not value:
            name = self._api.jl_typeof_str(error).decode() if error else "nothing"
            raise EngineUnavailableError(f"Julia cannot run {code!r}: {name}")
        return int(value)


_embedded: EmbeddedJulia | None = None
_failure = ""


def embedded_julia(julia: Path, threads: int) -> EmbeddedJulia:
    """The Julia of this process, which the first call starts; only while nothing is in the way.

    Args:
        julia: The julia binary.
        threads: Number of Julia's threads where it is to be started; ``JULIA_NUM_THREADS`` wins.

    Raises:
        EngineUnavailableError: Something is in the way (see :func:`obstacle`), or turns out to be.
    """
    global _embedded, _failure
    reason = obstacle()
    if reason:
        raise EngineUnavailableError(f"Julia cannot run in this process: {reason}")
    if _embedded is None:
        named = os.environ.get("JULIA_NUM_THREADS", "")
        try:
            _embedded = EmbeddedJulia(julia, int(named) if named.isdecimal() else threads)
        except EngineUnavailableError as error:
            _failure = str(error)
            raise
    return _embedded


def obstacle() -> str:
    """Why Julia cannot run in this process, on this thread, now; empty where it can.

    Raises:
        EngineUnavailableError: ``GRIDSTAB_JULIA_MODE`` is none of :data:`MODES`.
    """
    mode = os.environ.get("GRIDSTAB_JULIA_MODE") or "auto"
    if mode not in MODES:
        raise EngineUnavailableError(
            f"GRIDSTAB_JULIA_MODE is {mode!r}; set it to one of {', '.join(MODES)}"
        )
    if mode == "subprocess":
        return "GRIDSTAB_JULIA_MODE says so"
    if not hasattr(signal, "pthread_sigmask"):
        return "signals cannot be shared on this system"
    if _embedded is not None and _embedded.process != os.getpid():
        return "this process was forked from one that runs Julia"
    if multiprocessing.parent_process() is not None or _is_ray_worker():
        return "this is a worker process"
    if threading.current_thread() is not threading.main_thread():
        return "this is not the main thread"
    if _embedded is not None:
        if _embedded.thread != threading.get_ident():
            return "Julia was started by another thread"
        if _embedded.handler != _segmentation_fault_handler():
            return "SIGSEGV was taken from Julia; call faulthandler.enable() before simulating"
        return ""
    if _failure:
        return _failure
    if _has_libjulia():
        return "other code has started Julia here"
    if find_spec("julia") is None or find_spec("julia.api") is None:
        return f"PyJulia is not installed: {install_command('julia')}"
    return ""


def _has_libjulia() -> bool:
    libjulia = sys.modules.get("julia.libjulia")
    return libjulia is not None and libjulia.get_libjulia() is not None


def _is_ray_worker() -> bool:
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return False
    return bool(ray.get_runtime_context().worker.mode == ray.WORKER_MODE)


@contextmanager
def _variables(values: dict[str, str]) -> Iterator[None]:
    """The environment variables while Julia starts; it reads them once."""
    former = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in former.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Python's signals as they were: Julia blocks them to hand them to a thread of its own."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if handler is not None:  # a handler that is not Python's is none of our business
                signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _segmentation_fault_handler() -> bytes:
    action = ctypes.create_string_buffer(_SIGACTION_BYTES)
    # A library of its own, so that the types of its functions are not shared with others.
    ctypes.CDLL(None).sigaction(int(signal.SIGSEGV), None, action)
    return action.raw[: ctypes.sizeof(ctypes.c_void_p)]


def _one_line(text: str) -> str:
    return " ".join(text.split())
