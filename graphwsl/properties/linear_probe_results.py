"""What linear probes found: scores by features, property, and networks that they are tested on."""

import io
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from gnncore.command_line.output import cell
from gnncore.names import unknown


@dataclass(frozen=True)
class LinearProbe:
    """One probe, tested on some networks.

    Attributes:
        features: Name of what it reads.
        target: Name of what it tells.
        tested_on: ``test``, or the name of other networks.
        networks: How many networks it is tested on, a checkpoint each.
        columns: Number of features.
        penalty: The one that was chosen.
        valid: Metrics on the validation part: ``r2``, ``kendall_tau`` and ``mae``, or ``accuracy``.
        metrics: The same on the tested networks; those that their labels do not define are left
            out.
        missing: Classes of tested networks that no training network has, and that are never told.
        failed: Why it could not be fitted or tested; None if it was.
    """

    features: str
    target: str
    tested_on: str
    networks: int
    columns: int = 0
    penalty: float | None = None
    valid: dict[str, float] | None = None
    metrics: dict[str, float] | None = None
    missing: tuple[str, ...] = ()
    failed: str | None = None

    @property
    def score(self) -> float | None:
        """R² of numbers, accuracy of classes; None where there is none."""
        found = self.metrics or {}
        return found.get("accuracy", found.get("r2"))


@dataclass(frozen=True)
class LinearProbes:
    """All probes of some features; printed as a table by its ``str``.

    Attributes:
        probes: Every probe, by target, tested networks and features.
        networks: How many checkpoints each part of the split has.
    """

    probes: tuple[LinearProbe, ...]
    networks: dict[str, int]

    def __getitem__(self, key: tuple[str, ...] | str) -> LinearProbe:
        """The probe of features and target, tested on ``test`` unless a third name says else.

        Raises:
            KeyError: There is none; the known ones are named.
        """
        if not isinstance(key, tuple) or len(key) not in (2, 3):
            raise KeyError(
                f'{key!r} names no probe; give features and target, as ["weights", "epoch"], and '
                "what it is tested on, if not test"
            )
        wanted = (*key, "test")[:3]
        for probe in self.probes:
            if (probe.features, probe.target, probe.tested_on) == wanted:
                return probe
        fields = zip(("features", "target", "tested_on"), wanted, strict=True)
        for field, name in fields:
            known = dict.fromkeys(getattr(probe, field) for probe in self.probes)
            if name not in known:
                raise KeyError(unknown(field.replace("_", " "), name, known))
        raise KeyError(key)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, as JSON has them."""
        rows = [{**asdict(one), "missing": list(one.missing)} for one in self.probes]
        return {"networks": self.networks, "probes": rows}

    def table(self) -> Table:
        """Scores, a line a target and tested networks, a column for each of the features.

        Where a star stands, some of the tested networks are of a class that no training network
        has; where a dash stands, there is no score.
        """
        names = list(dict.fromkeys(probe.features for probe in self.probes))
        made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
        for title in ("target", "tested on", "score"):
            made.add_column(title)
        for name in names:
            made.add_column(cell(name), justify="right")
        lines: dict[tuple[str, str], dict[str, LinearProbe]] = {}
        for probe in self.probes:
            lines.setdefault((probe.target, probe.tested_on), {})[probe.features] = probe
        for (target, tested_on), found in lines.items():
            is_accuracy = any("accuracy" in (one.valid or {}) for one in found.values())
            texts = [_shown(found.get(name)) for name in names]
            made.add_row(cell(target), cell(tested_on), "accuracy" if is_accuracy else "R²", *texts)
        return made

    def __str__(self) -> str:
        console = Console(file=io.StringIO(), width=140, markup=False, emoji=False, highlight=False)
        console.print(self.table())
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue().rstrip()


def _shown(found: LinearProbe | None) -> str:
    if found is None or found.score is None:
        return "–"
    return f"{found.score:.3f}" + ("*" if found.missing else "")
