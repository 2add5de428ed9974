"""Julia in a process that is shared with Python, and all that could go wrong there."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from gridstab.dynamics.julia import embedded
from gridstab.errors import EngineUnavailableError, InvalidParameterError
from tests.gridstab.dynamics.julia.julia_programs import finish, start

# Everything that crashes a Julia that is called regardless, in one process that must survive.
LIFE = """
import faulthandler, multiprocessing

seen = {}
def handler(number, frame):
    seen["own handler"] = True
signal.signal(signal.SIGTERM, handler)
mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
environment = dict(os.environ)
seen["before"] = embedded.obstacle()
seen["result"] = simulate(threads=2)
seen["threads"] = embedded._embedded.threads
seen["after"] = embedded.obstacle()
seen["environment"] = dict(os.environ) == environment
seen["mask"] = signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
seen["default"] = signal.getsignal(signal.SIGINT) is signal.default_int_handler
os.kill(os.getpid(), signal.SIGTERM)
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
except KeyboardInterrupt:
    seen["interrupt"] = True

ticks, stop = [], threading.Event()
def tick():
    while not stop.wait(0.001):
        ticks.append(time.perf_counter())
ticker = threading.Thread(target=tick)
ticker.start()
began = time.perf_counter()
simulate(many)
ended = time.perf_counter()
stop.set()
ticker.join()
seen["ticks"] = sum(began < tick < ended for tick in ticks)

def observe(name):
    seen[name] = [embedded.obstacle(), simulate()]
    if name == "thread":
        seen["children"] = server._of_thread.server.process.pid
thread = threading.Thread(target=observe, args=["thread"])
thread.start()
thread.join()

reader, writer = os.pipe()
if os.fork() == 0:
    text = json.dumps([embedded.obstacle(), simulate()])
    os.write(writer, text.encode())
    sys.exit(0)
os.close(writer)
with open(reader) as pipe:
    seen["fork"] = json.loads(pipe.read())
os.wait()

def child(queue):
    queue.put([embedded.obstacle(), simulate()])
context = multiprocessing.get_context("fork")
queue = context.Queue()
process = context.Process(target=child, args=[queue])
process.start()
seen["worker"] = queue.get()
process.join()

faulthandler.enable()
seen["faulthandler"] = [embedded.obstacle(), simulate()]
faulthandler.disable()
seen["again"] = [embedded.obstacle(), simulate()]
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def life(julia: Path) -> dict[str, Any]:
    """What one process saw; that it lived to tell is the first of the tests."""
    lines = finish(start(LIFE, JULIA_NUM_THREADS="2")).splitlines()
    seen: dict[str, Any] = json.loads(lines[-1])
    return seen


def test_julia_runs_in_the_process(life: dict[str, Any]) -> None:
    assert (life["before"], life["after"], life["threads"]) == ("", "", 2)
    assert life["environment"]


def test_signals_are_still_pythons(life: dict[str, Any]) -> None:
    assert life["mask"]
    assert life["default"]
    assert life["own handler"]
    assert life["interrupt"]


def test_other_threads_run_while_julia_does(life: dict[str, Any]) -> None:
    assert life["ticks"] >= 3


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("thread", "main thread"),
        ("fork", "forked"),
        ("worker", "forked"),
        ("faulthandler", "faulthandler"),
        ("again", ""),
    ],
)
def test_where_it_would_crash_another_process_does_it(
    life: dict[str, Any], where: str, reason: str
) -> None:
    obstacle, result = life[where]
    assert reason in obstacle
    assert bool(reason) == bool(obstacle)
    assert result == life["result"]


def test_a_thread_takes_its_process_with_it(life: dict[str, Any]) -> None:
    with pytest.raises(ProcessLookupError):
        os.kill(life["children"], 0)


@pytest.mark.usefixtures("julia")
def test_a_faulthandler_that_was_there_before_is_fine() -> None:
    code = "import faulthandler, gc; faulthandler.enable(); simulate(many, threads=2)\n"
    code += "print(repr(embedded.obstacle()))"
    assert finish(start(code, JULIA_NUM_THREADS="2")) == "''\n"


@pytest.mark.usefixtures("julia")
def test_julia_of_others_is_left_alone() -> None:
    code = """
from julia.api import LibJulia
from gridstab.dynamics.julia.find import find_julia
LibJulia.load(julia=str(find_julia())).init_julia()
print(embedded.obstacle(), len(simulate()))
"""
    assert finish(start(code)) == "other code has started Julia here 4\n"


@pytest.mark.usefixtures("julia")
def test_exceptions_of_julia_do_not_cross() -> None:
    """A domain error on a thread of Julia; what comes after it works."""
    code = """
from gridstab.dynamics.julia.request import METHODS
METHODS["fast"] = 99
for mode in ("auto", "subprocess"):
    os.environ["GRIDSTAB_JULIA_MODE"] = mode
    try:
        simulate()
    except RuntimeError as error:
        print(f"{type(error).__name__}: {error}")
METHODS["fast"] = 0
print(len(simulate()))
"""
    inside, outside, after = finish(start(code, JULIA_NUM_THREADS="2")).splitlines()
    for message in (inside, outside):
        assert message.startswith("EngineFailedError: the Julia engine failed: ")
        assert "DomainError with -1.0" in message
    assert after == "4"


@pytest.mark.usefixtures("julia")
@pytest.mark.parametrize("mode", ["auto", "subprocess"])
def test_interrupts_arrive_while_julia_runs(mode: str) -> None:
    code = """
simulate()
print("running", flush=True)
try:
    simulate(many, horizon=1e6)
except KeyboardInterrupt:
    print("interrupted", flush=True)
print(len(simulate()))
"""
    process = start(code, GRIDSTAB_JULIA_MODE=mode)
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    # The whole simulation would take hours.
    assert finish(process, timeout=240) == "interrupted\n4\n"


def test_unsafe_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match=r"--handle-signals=no crashes.* 2 threads"):
        embedded.EmbeddedJulia(tmp_path, 2, ["--handle-signals=no"])


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has not started Julia."""
    monkeypatch.setattr(embedded, "_embedded", None)
    monkeypatch.setattr(embedded, "_failure", "")
    monkeypatch.setattr(embedded, "_has_libjulia", lambda: False)
    monkeypatch.delenv("GRIDSTAB_JULIA_MODE", raising=False)


@pytest.mark.usefixtures("fresh")
def test_pyjulia_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "find_spec", lambda name: None)
    assert embedded.obstacle().endswith("pip install 'julia>=0.6.2'")


@pytest.mark.usefixtures("fresh")
def test_the_mode_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDSTAB_JULIA_MODE", "subprocess")
    assert "GRIDSTAB_JULIA_MODE" in embedded.obstacle()
    with pytest.raises(EngineUnavailableError, match="cannot run in this process"):
        embedded.embedded_julia(Path("julia"), 1)
    monkeypatch.setenv("GRIDSTAB_JULIA_MODE", "magic")
    with pytest.raises(EngineUnavailableError, match=r"'magic'.*auto, subprocess"):
        embedded.obstacle()


@pytest.mark.usefixtures("fresh")
def test_a_julia_that_cannot_be_embedded_is_tried_once(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="nothing-here"):
        embedded.embedded_julia(tmp_path / "nothing-here", 1)
    assert "nothing-here" in embedded.obstacle()


@pytest.mark.slow
@pytest.mark.usefixtures("julia")
def test_workers_of_ray_start_processes() -> None:
    pytest.importorskip("ray")
    code = """
import warnings
warnings.simplefilter("ignore")
import ray
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
driver = [embedded.obstacle(), simulate()]
source = server.find_source()
@ray.remote
def work():
    server.find_source = lambda: source  # as in the driver
    return [embedded.obstacle(), simulate()]
worker = ray.get(work.remote())
print(json.dumps([driver[0], worker[0], worker[1] == driver[1]]))
ray.shutdown()
"""
    assert json.loads(finish(start(code)).splitlines()[-1]) == [
        "",
        "this is a worker process",
        True,
    ]
