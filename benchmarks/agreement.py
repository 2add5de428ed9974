"""How often two ways of labelling trajectories agree, and whether they differ on average."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from benchmarks.results import Report

RATIO_LIMIT = 1.5
SIGMA_LIMIT = 3.0


@dataclass(frozen=True)
class Agreement:
    """How the labels of one solver compare with the truth, trajectory by trajectory."""

    name: str
    trajectories: int
    differing: int
    bias: float
    """Mean stability minus the truth's."""
    bias_error: float
    """Paired standard error of the bias."""

    @classmethod
    def of(
        cls, name: str, labels: Bool[np.ndarray, " n"], truth: Bool[np.ndarray, " n"]
    ) -> "Agreement":
        """Compares labels of the same trajectories."""
        difference = labels.astype(float) - truth
        error = float(difference.std(ddof=1) / np.sqrt(len(difference)))
        return cls(name, len(labels), int((labels != truth).sum()), float(difference.mean()), error)

    @property
    def share(self) -> float:
        """Share of trajectories with another label."""
        return self.differing / self.trajectories

    @property
    def sigmas(self) -> float:
        """Bias in standard errors."""
        return self.bias / self.bias_error if self.bias_error else 0.0

    def ratio(self, published: "Agreement") -> float:
        """Disagreement relative to the published solver's."""
        if published.differing:
            return self.share / published.share
        return float("inf") if self.differing else 1.0

    def as_row(self, published: "Agreement") -> dict[str, Any]:
        """For a result file; no ratio where the published solver never disagrees."""
        ratio = self.ratio(published) if published.differing else None
        return asdict(self) | {"share": self.share, "sigmas": self.sigmas, "ratio": ratio}

    def ratio_error(self, published: "Agreement") -> float:
        """Its standard error, for independent counts."""
        if not (self.differing and published.differing):
            return 0.0
        return self.ratio(published) * float(
            np.hypot(self.differing**-0.5, published.differing**-0.5)
        )


def judge(rows: list[Agreement]) -> list[str]:
    """What the default engine's rules fail, in words; the float64 rows are there to compare."""
    published, *others = rows
    native = [one for one in others if one.name.startswith("native ")]
    failures = []
    for one in native:
        if one.ratio(published) > RATIO_LIMIT:
            failures.append(
                f"{one.name} disagrees {one.ratio(published):.2f} times as often "
                f"as {published.name}"
            )
        if abs(one.sigmas) > SIGMA_LIMIT:
            failures.append(f"{one.name} is biased by {one.sigmas:+.1f} standard errors")
    return failures


def show(report: Report, group: str, rows: list[Agreement]) -> None:
    """Prints the agreement with the truth."""
    published = rows[0]
    report.table(
        f"Against dop853 1e-9 to the horizon: {group}, {published.trajectories} trajectories",
        ["", "differ", "share", "of the published solver's", "bias of the mean SNBS", "in σ"],
        [
            [
                one.name,
                f"{one.differing}",
                f"{100 * one.share:.2f} %",
                f"{one.ratio(published):.2f} ± {one.ratio_error(published):.2f}",
                f"{one.bias:+.5f} ± {one.bias_error:.5f}",
                f"{one.sigmas:+.1f}",
            ]
            for one in rows
        ],
    )
