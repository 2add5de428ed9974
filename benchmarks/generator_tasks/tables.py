"""The tables of the comparison, from the results of its cells."""

import statistics

from benchmarks.cells import Result
from benchmarks.results import Report, spread

COLUMNS = {
    "accuracy_mean": "mean",
    "accuracy_best": "best",
    "dispersion": "dispersion",
    "relative_disagreement": "disagreement",
    "relative_distance": "distance",
    "nearest_error_overlap": "overlap",
    "copy_statistic": "copy z",
}
LEGEND = (
    "Dispersion and disagreement are relative to training networks, the distance to the nearest "
    "of them to that of held-out networks; overlap is that of errors with the nearest by errors; "
    "copies are seeds in which a method copies.",
    "Seconds are of one processor: of the fit, and of a network that is made.",
    "equivariant_flow learns from what networks answer on the training images of the zoo too, "
    "never on test images, and is calibrated by distances among the networks that it learnt from; "
    "weights_alone and not_equivariant do neither.",
    "Where sizes are imagined, no network of those that are made was trained: that they shall not "
    "lose more on training images than trained ones of other sizes is all that is learnt of them.",
    "Settings of equivariant_flow were chosen by accuracy on training images, and by errors on "
    "networks that neither it learnt from then nor judge here.",
    "The rates of lower_rate and deeper, and when the latter imagines, were chosen by accuracy on "
    "training images: of networks of digits_seed, and of the depths 2, 3 and 4.",
    "by_error was added, and fitted for longer, after slopes on test images had been seen: of the "
    "flow without it, and of by_error after 80 epochs with answers from 0.6 on (0.55, R² 0.81).",
)
"""What the columns are."""


def report_networks(report: Report, name: str, results: list[Result]) -> None:
    """All tables of some networks; what failed is said below.

    Args:
        report: Where tables go.
        name: Name of the networks.
        results: Results of their cells.
    """
    done = [one for one in results if "failed" not in one]
    _cards(report, name, [one for one in done if "card" in one])
    _requested(report, name, [one for one in done if "requested" in one])
    _sizes(report, name, [one for one in done if "sizes" in one])
    for one in results:
        if "failed" in one:
            report.say(f"{one['row']} cannot run on {name}: {one['failed']}.")


def _cards(report: Report, name: str, results: list[Result]) -> None:
    if not results:
        return
    rows = [
        [row, *_values([one["card"] for one in own]),
         spread([one["processor_seconds"] for one in own], 0),
         spread([one["seconds_of_sample"] for one in own], 3)]
        for row, own in _by_row(results).items()
    ]  # fmt: skip
    first = results[0]["card"]
    free = {"held out": first["held_out"], "training": first["train"], **first["baselines"]}
    rows += [[other, *_values([score]), "", ""] for other, score in free.items()]
    title = f"{name}: {results[0]['learnt_from']} networks to learn from, {results[0]['held_out']}"
    columns = ["made by", *COLUMNS.values(), "copies", "fit [s]", "sample [s]"]
    report.table(f"{title} held out", columns, rows)


def _values(scores: list[Result]) -> list[str]:
    known = [
        spread([score[column] for score in scores if score.get(column) is not None])
        for column in COLUMNS
    ]
    return [*known, str(sum(bool(score.get("is_copying")) for score in scores))]


def _requested(report: Report, name: str, results: list[Result]) -> None:
    rows = [
        [row, *(spread([one["requested"][key] for one in own]) for key in ("slope", "r2", "error"))]
        for row, own in _by_row(results).items()
    ]
    if rows:
        report.table(f"{name}: requested accuracy", ["made by", "slope", "R²", "error"], rows)


def _sizes(report: Report, name: str, results: list[Result]) -> None:
    rows = []
    for row, own in _by_row(results).items():
        for number, line in enumerate(own[0]["sizes"]):
            factor = next(key for key in line if key not in ("accuracy", "trained"))
            found = [one["sizes"][number]["accuracy"] for one in own]
            share = statistics.mean(found) / line["trained"]
            rows.append([row, f"{factor} {line[factor]}", spread(found), f"{line['trained']:.3f}",
                         f"{share:.2f}"])  # fmt: skip
    if rows:
        columns = ["made by", "size", "mean", "trained", "share"]
        report.table(f"{name}: sizes that were not learnt from", columns, rows)


def _by_row(results: list[Result]) -> dict[str, list[Result]]:
    rows: dict[str, list[Result]] = {}
    for one in results:
        rows.setdefault(one["row"], []).append(one)
    return rows
