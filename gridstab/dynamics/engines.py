"""Every engine by its name, and how to make it."""

from collections.abc import Callable

from gnncore.registry import Registry
from gridstab.dynamics.engine import Engine
from gridstab.errors import EngineUnavailableError, InvalidParameterError


def _native() -> Engine:
    from gridstab.dynamics.native.engine import NativeEngine

    return NativeEngine()


def _native64() -> Engine:
    from gridstab.dynamics.native.engine import NativeEngine

    return NativeEngine(precision="float64")


def _dop853() -> Engine:
    from gridstab.dynamics.reference.engine import ReferenceEngine

    return ReferenceEngine("dop853", rtol=1e-9, atol=1e-9)


def _tsit5() -> Engine:
    from gridstab.dynamics.reference.engine import ReferenceEngine

    return ReferenceEngine("tsit5", rtol=1e-6, atol=1e-6)


def _cuda() -> Engine:
    from gridstab.dynamics.cuda.engine import CudaEngine

    return CudaEngine()


def _julia() -> Engine:
    from gridstab.dynamics.julia.engine import JuliaEngine

    return JuliaEngine()


def _julia_tsit5() -> Engine:
    from gridstab.dynamics.julia.engine import JuliaEngine

    return JuliaEngine("tsit5", tolerance=1e-6)


def _julia_dop853() -> Engine:
    from gridstab.dynamics.julia.engine import JuliaEngine

    return JuliaEngine("dop853", tolerance=1e-9)


ENGINES: Registry[Callable[[], Engine]] = Registry(
    "engine",
    EngineUnavailableError,
    {
        "native": _native,
        "native64": _native64,
        "dop853": _dop853,
        "tsit5": _tsit5,
        "cuda": _cuda,
        "julia": _julia,
        "julia-tsit5": _julia_tsit5,
        "julia-dop853": _julia_dop853,
    },
    listing="choose one of auto,",
)
"""One line an engine: its name and how to make it (imports are deferred, they are slow)."""


def make_engine(engine: str | Engine) -> Engine:
    """The engine of that name; ``auto`` is ``native``, until a device has measured ``cuda``.

    Raises:
        EngineUnavailableError: No such engine, or it cannot run on this machine.
        InvalidParameterError: Neither a name nor an engine.
    """
    if not isinstance(engine, str):
        if not isinstance(engine, Engine):
            raise InvalidParameterError(
                f"engine must be a name or have name, availability and run, got {engine!r}"
            )
        return engine
    if engine == "auto":
        return make_engine("native")
    made = ENGINES.find(engine)()
    state = made.availability()
    if not state.usable:
        raise EngineUnavailableError(f"engine {engine!r} cannot run here: {state.why}")
    return made
