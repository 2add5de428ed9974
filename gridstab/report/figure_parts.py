"""What all interactive figures of a report share.

A figure is a plain dictionary that plotly.js draws. Colours that depend on the reader's light or
dark scheme are written as the name of a variable of the page's style sheet (``--text``), which the
page's script looks up.
"""

from html import escape
from typing import Any

import numpy as np
from jaxtyping import Float

Figure = dict[str, Any]

BIG = 1000
"""Nodes beyond which WebGL draws the grid; up to it, SVG is as quick and sharper in print."""

_CLEAR = "rgba(0,0,0,0)"


def layout(**more: Any) -> Figure:
    """The look of every figure, with what is its own."""
    return {
        "autosize": True,
        "margin": {"l": 58, "r": 14, "t": 12, "b": 48},
        "paper_bgcolor": _CLEAR,
        "plot_bgcolor": _CLEAR,
        "font": {"color": "--text", "family": "system-ui, sans-serif", "size": 13},
        "hoverlabel": {
            "bgcolor": "--surface",
            "bordercolor": "--line",
            "font": {"color": "--text", "size": 13},
            "align": "left",
        },
        "modebar": {"bgcolor": _CLEAR, "color": "--muted", "activecolor": "--accent"},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "showlegend": False,
        **more,
    }


def axis(title: str, **more: Any) -> Figure:
    """An axis with a title, which may hold any characters."""
    return {
        "title": {"text": escape(title), "standoff": 10},
        "gridcolor": "--grid",
        "linecolor": "--line",
        "zeroline": False,
        "showline": True,
        "automargin": True,
        **more,
    }


def rounded(values: np.ndarray, digits: int = 4) -> list[Any]:
    """Numbers for JSON, which knows no NaN."""
    return [None if value != value else value for value in values.round(digits).tolist()]


def limits(values: Float[np.ndarray, " nodes"]) -> tuple[float, float]:
    """Round ends of a scale: shares end at 1, other values where they end."""
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        return float(np.floor(10 * min(low, 0.99)) / 10), 1.0
    return low, max(high, low + 1e-6)
