"""Five labelled sets that come with the package: ds20, ds100, ds20-large, ds100-large and texas.

They are simulated by the campaigns ``simulations/campaigns/benchmark-*.toml`` and
:mod:`packed <gridstab.datasets.packed>`, one file a set. No grid is in two of them.

>>> from gridstab.datasets.benchmark import BENCHMARK_SETS
>>> BENCHMARK_SETS
('ds20', 'ds100', 'ds20-large', 'ds100-large', 'texas')
"""

from importlib.resources import files
from pathlib import Path

from gridstab.datasets.packed import origin, pack, unpack
from gridstab.errors import InvalidParameterError

__all__ = ["BENCHMARK_SETS", "benchmark_path", "origin", "pack", "unpack"]

BENCHMARK_SETS = ("ds20", "ds100", "ds20-large", "ds100-large", "texas")
"""Names of the packaged sets."""


def benchmark_path(name: str) -> Path:
    """The file of a packaged set.

    Raises:
        InvalidParameterError: There is no set of that name.
    """
    path = Path(str(files("gridstab.datasets.benchmark") / f"{name}.h5"))
    if name not in BENCHMARK_SETS or not path.is_file():
        there = [known for known in BENCHMARK_SETS if path.with_name(f"{known}.h5").is_file()]
        raise InvalidParameterError(
            f"there is no packaged set {name!r}; choose one of {', '.join(there) or 'none'}"
        )
    return path
