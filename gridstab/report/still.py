"""A still of an interactive figure, for readers whose browser runs no scripts.

Draws the few kinds of traces that the report's figures consist of, from the same dictionaries, so
that the two pictures cannot disagree.
"""

from html import unescape
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure as Canvas

from gridstab.report.figure_parts import Figure

INK = {
    "--text": "#333333",
    "--muted": "#777777",
    "--line": "#b8bcc2",
    "--grid": "#eceef1",
    "--bars": "#b8bcc2",
    "--outline": "#5a5f66",
    "--surface": "#ffffff",
    "--accent": "#21607f",
    "--second": "#d55e00",
    "--trouble": "#d55e00",
}
"""The colours of the style sheet on paper."""

_DASHES = {"solid": "-", "dash": "--", "dot": ":"}


def still_png(figure: Figure, width: float = 6.4, height: float = 4.2, dpi: float = 110) -> bytes:
    """The figure as a PNG on white; equal figures give equal bytes.

    Args:
        figure: From :mod:`gridstab.report.figures`.
        width: Width of the picture [inch].
        height: Height of the picture [inch].
        dpi: Resolution [1/inch].
    """
    canvas = Canvas(figsize=(width, height), layout="constrained")
    axes: Any = canvas.add_subplot()
    layout = figure["layout"]
    for trace in figure["data"]:
        _draw(trace, axes)
    for name, axis in (("x", layout["xaxis"]), ("y", layout["yaxis"])):
        if axis.get("visible") is False:
            axes.set_axis_off()
            axes.margins(0.04)
            continue
        axes.set(**{f"{name}label": _plain(axis["title"]["text"])})
        if "range" in axis:
            axes.set(**{f"{name}lim": axis["range"]})
        if axis.get("type") == "log":
            axes.set(**{f"{name}scale": "log"})
    if layout["yaxis"].get("scaleanchor"):
        axes.set_aspect("equal")
    for shape in layout.get("shapes", ()):
        axes.axvline(shape["x0"], color=INK["--muted"], ls=":", lw=1.2)
    axes.spines[["top", "right"]].set_visible(False)
    if layout["showlegend"]:
        axes.legend(frameon=False)
    picture = BytesIO()
    canvas.savefig(picture, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    return picture.getvalue()


def _draw(trace: Figure, axes: Any) -> None:
    name = _plain(trace.get("name", "_"))
    x, y = (np.array(trace[end], np.float64) for end in ("x", "y"))
    if trace["type"] == "bar":
        axes.bar(x, y, trace["width"], color=_ink(trace["marker"]["color"]), label=name)
    elif trace["mode"] == "lines":
        line = trace["line"]
        axes.plot(
            x,
            y,
            color=_ink(line["color"]),
            lw=0.8 * line["width"],
            ls=_DASHES[line.get("dash", "solid")],
            drawstyle="steps-post" if line.get("shape") == "hv" else "default",
            label=name,
            zorder=1,
        )
    else:
        _draw_markers(trace, name, x, y, axes)


def _draw_markers(trace: Figure, name: str, x: np.ndarray, y: np.ndarray, axes: Any) -> None:
    marker = {"symbol": "circle", "opacity": 1.0, "size": 6, **trace.get("marker", {})}
    area = (0.72 * marker["size"]) ** 2
    if "error_x" in trace:
        bars = trace["error_x"]
        axes.errorbar(
            x,
            y,
            xerr=[bars["arrayminus"], bars["array"]],
            fmt="none",
            ecolor=_ink(bars["color"]),
            elinewidth=0.8,
            zorder=1,
        )
    if marker["symbol"] == "circle-open":
        axes.scatter(
            x, y, s=area, facecolors="none", edgecolors=_ink(marker["color"]), lw=1.6, zorder=1.5
        )
        return
    if isinstance(marker.get("color"), list):
        colours = [colour for _, colour in marker["colorscale"]]
        painted = {
            "c": np.array(marker["color"]),
            "cmap": LinearSegmentedColormap.from_list("page", colours),
            "vmin": marker["cmin"],
            "vmax": marker["cmax"],
            "edgecolors": _ink(marker["line"]["color"]),
            "lw": 0.5,
        }
    else:
        painted = {"color": _ink(marker.get("color", trace.get("line", {}).get("color")))}
    symbols = np.broadcast_to(np.array(marker["symbol"]), x.shape)
    for symbol, shape in (("circle", "o"), ("square", "s")):
        here = symbols == symbol
        each = {k: v[here] if isinstance(v, np.ndarray) else v for k, v in painted.items()}
        dots = axes.scatter(
            x[here],
            y[here],
            s=area if shape == "o" else 0.8 * area,
            marker=shape,
            alpha=marker["opacity"],
            label=name if shape == "o" else "_",
            zorder=2,
            **each,
        )
    if "colorbar" in marker:
        bar = axes.figure.colorbar(dots, ax=axes, orientation="horizontal", shrink=0.7, aspect=40)
        bar.set_label(_plain(marker["colorbar"]["title"]["text"]))
        bar.outline.set_visible(False)


def _ink(colour: str) -> str:
    return INK.get(colour, colour)


def _plain(text: str) -> str:
    """Text for matplotlib, to which a dollar begins a formula."""
    return unescape(text).replace("$", r"\$")
