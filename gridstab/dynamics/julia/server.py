"""Julia in a process of its own, one a thread: crashes, signals and threads stay there.

The protocol is ``simulations/GridDynamics/PROTOCOL.md``: arrays in a folder, a line to ask, a line
to answer. A process serves one request after the other, since compilation takes seconds; it ends
with its thread.
"""

import io
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np

from gnncore.storage import write_bytes, write_text
from gridstab.dynamics.julia.find import OPTIONS, find_source, julia_environment
from gridstab.dynamics.julia.request import Arrays, Problem
from gridstab.errors import EngineFailedError

READY = "ready 1"
"""What the process says once it has loaded: the version of the protocol."""

FILES = {"line_ends": "lines"}
"""Names of files that differ from those of the structure's fields."""

# Linux kills the process (9 is SIGKILL) with the thread that made it, even where Python was
# killed. Elsewhere it ends once its request is done, because its input has ended. The package is
# included, not used, as precompiling would write files, and many processes may start at once.
_SERVE = """
Sys.islinux() && ccall(:prctl, Cint, (Cint, Culong, Culong, Culong, Culong), 1, 9, 0, 0, 0)
include(ARGS[1])
GridDynamics.serve()
"""


class JuliaServer:
    """One julia process, for the thread that made it.

    Args:
        julia: The julia binary.
        threads: Number of Julia's threads.

    Raises:
        EngineFailedError: The process did not start.
    """

    def __init__(self, julia: Path, threads: int) -> None:
        self.julia, self.threads, self.owner = julia, threads, os.getpid()
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives with self
        command = [
            str(julia),
            *OPTIONS,
            "--threads",
            str(threads),
            "-e",
            _SERVE,
            str(find_source()),
        ]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **julia_environment(threads)},
            text=True,
            encoding="utf-8",
            # Ctrl-C in a terminal goes to the whole group, but is Python's to handle.
            start_new_session=True,
        )
        self.close = weakref.finalize(self, _end, self.process, self._errors, self.owner)
        answer = self._answer("started")
        if answer != READY:
            self.close()
            raise EngineFailedError(f"julia said {answer!r} instead of {READY!r}")

    def serves(self, julia: Path, threads: int) -> bool:
        """Whether it is alive, belongs to this process, and has this many threads."""
        return (
            self.owner == os.getpid()
            and self.close.alive
            and self.process.poll() is None
            and (self.julia, self.threads >= threads) == (julia, True)
        )

    def run(self, problem: Problem, outputs: Arrays, time: float | None = None) -> None:
        """Fills ``outputs``; with ``time``, these are the states ``theta`` and ``omega`` then.

        Raises:
            EngineFailedError: GridDynamics failed, or the process died.
        """
        # Not kept with the process: a worker that is killed between requests leaves nothing behind.
        folder = Path(tempfile.mkdtemp(prefix="gridstab-julia-"))
        try:
            _write_request(folder, problem, time)
            answer = self._ask(folder, f"simulated {problem.trajectories} trajectories")
            if answer != "ok":
                answer = answer.removeprefix("error: ")
                raise EngineFailedError(f"the Julia engine failed: {answer}")
            for name, array in outputs.items():
                array[...] = np.load(folder / f"{name}.npy", allow_pickle=False)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _ask(self, folder: Path, activity: str) -> str:
        assert self.process.stdin is not None
        try:
            with suppress(OSError):  # it has died; the missing answer tells of what
                print(folder, file=self.process.stdin, flush=True)
            return self._answer(activity)
        except BaseException:
            # Interrupted while it works: what it would say next belongs to no request.
            self.close()
            raise

    def _answer(self, activity: str) -> str:
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            if not line.startswith("done "):
                return line.rstrip("\n")
        code = self.process.wait()
        self._errors.seek(0)
        last = self._errors.read().decode("utf-8", "replace").strip().splitlines()[-1:]
        self.close()
        how = f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with code {code}"
        raise EngineFailedError(
            f"julia {how} while it {activity}; the next call starts a new one"
            + "".join(f" ({line.strip()})" for line in last)
        )


_of_thread = threading.local()


def server_of_this_thread(julia: Path, threads: int) -> JuliaServer:
    """The julia process of the calling thread, started where there is none that serves.

    Raises:
        EngineFailedError: The process did not start.
    """
    server: JuliaServer | None = getattr(_of_thread, "server", None)
    if server is None or not server.serves(julia, threads):
        if server is not None:
            server.close()
        server = _of_thread.server = JuliaServer(julia, threads)
    return server


def _end(process: "subprocess.Popen[str]", errors: IO[bytes], owner: int) -> None:
    """Kills the process: it keeps nothing that is worth a farewell."""
    if os.getpid() != owner:  # a forked child must not end what its parent works with
        return
    process.kill()
    process.wait()
    for file in (process.stdin, process.stdout, errors):
        assert file is not None
        with suppress(OSError):  # a line that could no longer be sent
            file.close()


def _write_request(folder: Path, problem: Problem, time: float | None) -> None:
    for name, array in problem.inputs.items():
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, array, allow_pickle=False)
        write_bytes(folder / f"{FILES.get(name, name)}.npy", buffer.getvalue())
    numbers = {**problem.numbers, **({} if time is None else {"time": time})}
    text = "".join(f"{name}={value!r}\n" for name, value in numbers.items())
    write_text(folder / "request.txt", text)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
