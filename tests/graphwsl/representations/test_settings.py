"""Settings: the page lists them as they are, and nonsense is refused."""

from typing import Any

import pytest

from graphwsl.errors import RepresentationError
from graphwsl.representations import REPRESENTATIONS
from graphwsl.representations.settings import TokenSettings
from tests import ROOT


def shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "–", True: "yes", False: "no"}[value]
    return (
        f"{value:,}" if isinstance(value, int) else f"{value:g}" if value != str(value) else value
    )


def test_the_page_lists_published_and_small_settings() -> None:
    lines = (ROOT / "docs" / "representations.md").read_text(encoding="utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("| setting |"))
    names = [cell.strip(" `") for cell in lines[start].strip("|").split("|")][1:]
    assert names == list(REPRESENTATIONS)
    rows = [line for line in lines[start + 2 : start + 40] if line.startswith("| `")]
    assert len(rows) > 15
    for line in rows:
        setting, *cells = (cell.strip(" `") for cell in line[1:-1].split("|"))
        for name, cell in zip(names, cells, strict=True):
            method = REPRESENTATIONS[name]
            if setting not in type(method.published).model_fields:
                assert cell == ""
                continue
            sizes = [shown(getattr(some, setting)) for some in (method.published, method.small)]
            assert cell == (sizes[0] if sizes[0] == sizes[1] else " → ".join(sizes)), (name, line)


def test_shares_stay_shares() -> None:
    assert TokenSettings(contrast=0.05).replaced(contrast=1.0).contrast == 1.0
    for wrong in (
        {"contrast": 1.1},
        {"structure": -0.1},
        {"latent_channels": 0},
        {"device": "tpu"},
    ):
        with pytest.raises(RepresentationError):
            TokenSettings().replaced(**wrong)
