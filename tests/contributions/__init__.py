"""All that contributors write for each of six changes: one file that imports the packages."""

from pathlib import Path

FOLDER = Path(__file__).parent
CHANGES = {
    "layer": "own_layer.py",
    "model": "own_model.toml",
    "architecture": "own_architecture.py",
    "rule": "own_rule.py",
    "predictor": "own_predictor.py",
    "engine": "own_engine.py",
}
