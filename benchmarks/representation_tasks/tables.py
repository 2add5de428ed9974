"""The tables of the comparison, from the results of its cells."""

import statistics
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.cells import Result
from benchmarks.results import Report, spread

SCORE = (
    "accuracy_mean",
    "accuracy_best",
    "dispersion",
    "relative_disagreement",
    "relative_distance",
)
GENERATED = ["mean", "best", "dispersion", "disagreement", "distance", "copies"]


LEGEND = (
    "Probes: R² of numbers, accuracy of classes, on test networks or after an arrow on others.",
    "Rebuilt: compression is the numbers of a network over those of its latents; agreement the "
    "share of test samples on which a network and its reconstruction choose the same class, of all "
    "checkpoints and of those of the last epoch; error the squared error of weights over the "
    "variance of their layers; then the mean accuracy, that less the original one, and the best "
    "rebuilt network less the best original one.",
    "Drawn: dispersion and disagreement are relative to the training networks, the distance to the "
    "nearest of them to that of held-out networks; copies are seeds in which a sampler copies; "
    "tuned is the mean accuracy of some of them after epochs of training, and of as many from "
    "scratch.",
)
"""What the columns are."""


def report_study(report: Report, name: str, results: list[Result], free: list[Result]) -> None:
    """All tables of the networks of a study; what failed is said below.

    Args:
        report: Where tables go.
        name: Name of the study.
        results: Results of its cells.
        free: Result of its cell of what costs nothing, if that is there.
    """
    done = [one for one in results if "failed" not in one]
    rows: dict[str, list[Result]] = {}
    for one in done:
        rows.setdefault(one["row"], []).append(one)
    if rows:
        some = done[0]
        budget = (
            f"{some['networks']['train']} networks to learn from, {some['networks']['test']} to "
            f"test, {some['checkpoints']:,} checkpoints"
        )
        _probes(report, f"{name}: linear probes ({budget})", rows)
        _reconstruction(report, f"{name}: test networks rebuilt ({budget})", rows)
        _generation(report, f"{name}: networks drawn near the best 30 % ({budget})", rows, free)
    for one in results:
        if "failed" in one:
            report.say(f"{one['row']} cannot run on {name}: {one['failed']}.")


def report_widths(report: Report, results: list[Result]) -> None:
    """How test networks of every width come back, of zoos that have several.

    Args:
        report: Where the table goes.
        results: Results of the cells of all studies.
    """
    lines: dict[str, list[dict[str, float]]] = {}
    for one in results:
        agreed = one.get("reconstruction", {}).get("agreement_by_width")
        if agreed:
            lines.setdefault(f"{one['row']}, {one['study']}", []).append(agreed)
    widths = sorted({width for found in lines.values() for width in found[0]}, key=int)
    if widths:
        report.table(
            "Agreement of test networks [%] by their width",
            ["representation", *(f"width {width}" for width in widths)],
            [
                [
                    name,
                    *(
                        _percent(one[width] for one in found if width in one) or "–"
                        for width in widths
                    ),
                ]
                for name, found in lines.items()
            ],
        )


def _probes(report: Report, title: str, rows: dict[str, list[Result]]) -> None:
    """A line a row and kind of embedding; transfers and unseen widths are columns of their own."""
    every = [
        one for found in rows.values() for result in found for one in result["probes"]["probes"]
    ]
    columns = list(dict.fromkeys((one["target"], one["tested_on"]) for one in every))
    lines: dict[str, list[str]] = {}
    for row, found in rows.items():
        for features in dict.fromkeys(one["features"] for one in found[0]["probes"]["probes"]):
            is_free = features in ("weights", "layer_statistics")
            label = features if is_free else f"{row}, {features}"
            if label not in lines:
                lines[label] = [_probe_cell(found, features, *column) for column in columns]
    titles = [
        target if tested_on == "test" else f"{target} → {tested_on}"
        for target, tested_on in columns
    ]
    report.table(title, ["features", *titles], [[label, *texts] for label, texts in lines.items()])
    reasons = {
        f"{one['features']} on {one['tested_on']}: {one['failed']}"
        for one in every
        if one["failed"]
    }
    reasons |= {
        f"no probes: {result['probes']['failed']}"
        for found in rows.values()
        for result in found
        if "failed" in result["probes"]
    }
    for reason in sorted(reasons):
        report.say(f"{reason}.")


def _probe_cell(found: list[Result], features: str, target: str, tested_on: str) -> str:
    scores = []
    for result in found:
        for one in result["probes"]["probes"]:
            if (one["features"], one["target"], one["tested_on"]) == (features, target, tested_on):
                metrics = one["metrics"] or {}
                scores += [metrics[name] for name in ("accuracy", "r2") if name in metrics][:1]
    return spread(scores, 3) or "–"


def _reconstruction(report: Report, title: str, rows: dict[str, list[Result]]) -> None:
    def line(found: list[Result]) -> list[str]:
        parts = [one["reconstruction"] for one in found if "failed" not in one["reconstruction"]]
        return [
            spread([part["compression"] for part in parts[:1]], 1),
            _percent(part["agreement"] for part in parts),
            _percent(part["agreement_of_trained"] for part in parts),
            spread([part["unexplained"] for part in parts if part["unexplained"] is not None])
            or "–",
            _percent((part["accuracy_mean"][1] for part in parts), 1),
            _percent((part["accuracy_mean"][1] - part["accuracy_mean"][0] for part in parts), 1),
            _percent((part["accuracy_best"][1] - part["accuracy_best"][0] for part in parts), 1),
            f"{statistics.mean(one['report']['parameters'] for one in found):,.0f}",
            f"{statistics.mean(one['processor_seconds'] for one in found):.0f}",
            _epochs(found),
            str(len(found)),
        ]

    ranked = sorted(rows.items(), key=lambda item: -_agreement(item[1]))
    columns = [
        "compression",
        "agreement %",
        "of trained %",
        "error",
        "accuracy %",
        "− original",
        "best − best",
    ]
    report.table(
        title,
        ["representation", *columns, "parameters", "processor s", "epochs", "seeds"],
        [[name, *line(found)] for name, found in ranked],
    )
    for name, found in rows.items():
        reasons = {one["reconstruction"].get("failed") for one in found} - {None}
        for reason in sorted(map(str, reasons)):
            report.say(f"{name} does not rebuild: {reason}.")


def _generation(
    report: Report, title: str, rows: dict[str, list[Result]], free: list[Result]
) -> None:
    lines: dict[str, list[dict[str, Any]]] = {}
    scratch: dict[str, float] = {}
    for one in [one for one in free if "failed" not in one["card"]][:1]:
        card, scratch = one["card"], one["scratch"]
        others = {"training networks": card["train"], "held-out networks": card["held_out"]}
        lines |= {name: [score] for name, score in {**others, **card["baselines"]}.items()}
    reasons: dict[str, set[str]] = {}
    for row, found in rows.items():
        for sampler in dict.fromkeys(name for one in found for name in one["generation"]):
            scores = [one["generation"].get(sampler, {"failed": ""}) for one in found]
            done = [score for score in scores if "failed" not in score]
            if done:
                lines[f"{row}, {sampler}"] = done
            for score in scores:
                if score.get("failed"):
                    reasons.setdefault(score["failed"], set()).add(row)
    if lines:
        tuned = {
            epoch for scores in lines.values() for epoch in scores[0].get("tuned_accuracy", {})
        }
        epochs = sorted({*tuned, *(scratch.keys() - {"failed"})}, key=int)
        texts = [[name, *_score_cells(scores, epochs)] for name, scores in lines.items()]
        if scratch and "failed" not in scratch:
            from_scratch = [
                f"{100 * scratch[epoch]:.1f}" if epoch in scratch else "–" for epoch in epochs
            ]
            texts.append(["from scratch", *["–"] * len(GENERATED), *from_scratch])
        report.table(title, ["networks", *GENERATED, *(f"tuned {n}" for n in epochs)], texts)
    for reason, names in sorted(reasons.items()):
        report.say(f"Nothing is generated from {', '.join(sorted(names))}: {reason}.")


def _score_cells(scores: list[dict[str, Any]], epochs: list[str]) -> list[str]:
    def each(name: str, shown: Callable[[list[float]], str]) -> str:
        return shown([one[name] for one in scores if one[name] is not None]) or "–"

    shares = [each(name, lambda values: _percent(values, 1)) for name in SCORE[:2]]
    copies = [one["is_copying"] for one in scores if one["is_copying"] is not None]
    tuned = [
        _percent(
            one["tuned_accuracy"][epoch] for one in scores if epoch in one.get("tuned_accuracy", {})
        )
        for epoch in epochs
    ]
    return [
        *shares,
        *(each(name, lambda values: spread(values, 2)) for name in SCORE[2:]),
        f"{sum(copies)}/{len(copies)}" if copies else "–",
        *(text or "–" for text in tuned),
    ]


def _percent(values: Iterable[float], digits: int = 1) -> str:
    return spread([100 * value for value in values], digits)


def _agreement(found: list[Result]) -> float:
    parts = [one["reconstruction"] for one in found if "failed" not in one["reconstruction"]]
    return statistics.mean(part["agreement"] for part in parts) if parts else -1.0


def _epochs(found: list[Result]) -> str:
    """Epochs that were gone through, of those of the settings where a budget cuts them short."""
    done = statistics.mean(one["report"]["epochs"] for one in found)
    wanted = found[0]["epochs_of_settings"]
    return f"{done:.0f} of {wanted}" if done < wanted else f"{done:.0f}"
