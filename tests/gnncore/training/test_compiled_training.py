"""Compiled training, in a process of its own: shape checks and the compiler exclude each other.

With plain gradient descent: AdamW magnifies the rounding of gradients that are zero on paper.
"""

import subprocess
import sys

import pytest

from tests import ROOT

SCRIPT = """
import torch
torch.set_num_threads(1)
from tests.gnncore.training.training_cases import TRAIN, VALIDATION, settings, small_model
from gnncore.training import RegressionObjective, fit, predict

models = [small_model(dropout=0.0) for _ in range(2)]
losses = []
for model, compiled in zip(models, (False, True)):
    options = settings(epochs=2, compile=compiled, optimiser="sgd")
    result = fit(model, TRAIN, VALIDATION, options, RegressionObjective(), progress=False)
    losses.append(torch.tensor([[r["loss"], r["validation_loss"]] for r in result.history]))
torch.testing.assert_close(*losses, rtol=1e-4, atol=1e-5)
assert models[0].state_dict().keys() == models[1].state_dict().keys()
torch.testing.assert_close(
    predict(models[0], VALIDATION), predict(models[1], VALIDATION), rtol=1e-3, atol=1e-4
)
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_compiled_training_is_training() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-4000:]
