"""By which grids a model was judged, as JSON values and in a line."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gridstab.learning.judged import Judged

_WORDS = {"train": "that it was trained on", "valid": "that chose its epoch"}


def summarise_judged(judged: "Judged", metrics: dict[str, float]) -> dict[str, Any]:
    """What metrics are of; JSON values.

    Returns:
        ``judged``, numbers of grids and nodes by part or None where no model says it,
        ``metrics_of``, ``other`` or ``learnt`` (None without metrics or where it is not known),
        and ``learnt_is_known``, whether every model says which grids it learnt from.
    """
    known = bool(metrics) and judged.parts is not None
    return {
        "judged": judged.numbers(),
        "metrics_of": ("other" if judged.is_new else "learnt") if known else None,
        "learnt_is_known": judged.is_known,
    }


def learnt_grids_of(judged: dict[str, dict[str, int]] | None) -> list[str]:
    """The grids that were learnt from in words, by part."""
    from gridstab.counted import counted

    return [
        f"{counted(judged[part]['grids'], 'grid')} {words}"
        for part, words in _WORDS.items()
        if judged and part in judged
    ]


def said_of_judged(summary: dict[str, Any]) -> str | None:
    """What a reader of metrics must know of the grids behind them; None if nothing.

    Args:
        summary: Holds what :func:`summarise_judged` gives.
    """
    from gridstab.counted import counted

    judged, learnt = summary["judged"], ", ".join(learnt_grids_of(summary["judged"]))
    sentences = []
    if learnt and "other" in judged:
        others = counted(judged["other"]["grids"], "grid")
        sentences.append(f"Judged by {others} that it did not learn from; left out: {learnt}")
    elif learnt:
        sentences.append(f"Learnt from: {learnt}; how good it is shows on others")
    if not summary["learnt_is_known"]:
        sentences.append(
            "A model of an earlier version does not say which grids it learnt from; those here may "
            "be among them, which makes it look better than it is"
        )
    return ". ".join(sentences) or None
