"""Real power systems that no training and no choice of features or settings has looked at.

They are judged on at the very end, so that what they say of a model is not what it was chosen by.
Whoever chooses by one of them takes it off this list.
"""

KEPT_ASIDE = {
    "case30": "30 buses",
    "case39": "New England 39",
    "case57": "IEEE 57",
    "case89pegase": "PEGASE 89",
    "case145": "IEEE 145",
    "case1354pegase": "PEGASE 1354",
}
"""MATPOWER cases, and what tables call them."""

CASES_SEED = 11
"""Seed of the random powers of the cases."""

TEXAS_SEEDS = (11, 12, 13, 14, 15)
"""Seeds of powers of Texas; the packaged grid has another, 0, at which choices have looked."""


def kept_aside() -> dict[str, tuple[str, int]]:
    """Case and seed of every grid, by the title of its column."""
    columns = {f"{title}, {CASES_SEED}": (case, CASES_SEED) for case, title in KEPT_ASIDE.items()}
    return columns | {f"Texas, {seed}": ("texas", seed) for seed in TEXAS_SEEDS}
