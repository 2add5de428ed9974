"""One self-contained HTML page: it opens anywhere, without network, and keeps its secrets in.

Everything is inside the file: plotly.js once (packed, about 2 MB), the data, the style and, for
browsers that run no scripts, a still of every figure. A content security policy in the page names
the scripts that may run by their checksums and forbids every request, so even a text that slipped
through the escaping could neither run nor call home.
"""

import gzip
import json
import os
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from gnncore.extras import install_command
from gnncore.storage import leading_to, write_text
from gridstab.errors import MissingExtraError
from gridstab.report.content import Report
from gridstab.report.sections import Picture, Section, sections_of
from gridstab.report.still import still_png


def save_report(report: Report, path: str | os.PathLike[str]) -> None:
    """Write the page, whole or not at all.

    Args:
        report: What to show.
        path: File to create or replace.

    Raises:
        MissingExtraError: plotly or jinja2 is not installed.
        StorageError: The file cannot be written.
    """
    write_text(leading_to(path), render_html(report))


def render_html(report: Report) -> str:
    """The page as text; equal reports give equal pages.

    Raises:
        MissingExtraError: plotly or jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, StrictUndefined
        from markupsafe import Markup
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        package = str(error.name).partition(".")[0]
        raise MissingExtraError(
            f"the report needs the package {package}: {install_command('report')}"
        ) from error

    plotly, script = get_plotlyjs(), _page_file("report.js")
    sections = sections_of(report)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = environment.from_string(_page_file("report.html"))
    return template.render(
        page=report,
        sections=sections,
        stills={
            picture.name: _still(picture, section) for section in sections
            for picture in section.pictures
        },
        policy=_policy(plotly, script),
        style=Markup(_page_file("report.css")),
        script=Markup(script),
        plotly=_packed(plotly),
        figures=Markup(_json({p.name: p.figure for s in sections for p in s.pictures})),
    )  # fmt: skip


@cache
def _packed(script: str) -> str:
    return b64encode(gzip.compress(script.encode(), mtime=0)).decode()


def _page_file(name: str) -> str:
    return files("gridstab.report").joinpath("page", name).read_text(encoding="utf-8")


def _still(picture: Picture, section: Section) -> str:
    height = 5.6 if "map" in section.shape else 4.0
    return "data:image/png;base64," + b64encode(still_png(picture.figure, height=height)).decode()


def _json(value: Any) -> str:
    """JSON that cannot end the element it stands in, whatever it holds."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c")


def _policy(*scripts: str) -> str:
    """Only these scripts run, and nothing is ever requested."""
    sums = (b64encode(sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{checksum}'" for checksum in sums)
    # plotly.js compiles its WebGL shaders' bindings, and styles what it draws.
    return (
        f"default-src 'none'; script-src {allowed} 'unsafe-eval'; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
