"""Programs that use the Julia engine in processes of their own, where a crash can be seen."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests import ROOT

STAND_IN = Path(__file__).with_name("stand_in.jl")
"""What takes the place of GridDynamics, which takes seconds to compile."""

PRELUDE = f"""
import json, os, signal, sys, threading, time
from pathlib import Path
import numpy as np
from gridstab.dynamics.engine import Perturbations, StopRule, stop_rule
from gridstab.dynamics.julia import embedded, server
from gridstab.dynamics.julia.engine import JuliaEngine
from gridstab.dynamics.swing import SwingModel
from gridstab.grids.power_grid import PowerGrid

model = SwingModel.of(PowerGrid.from_arrays([(0, 1), (1, 2), (0, 2)], [2.0, -1.0, -1.0]))
few = Perturbations(np.arange(9) % 3, np.linspace(-3, 3, 9), np.linspace(12, -12, 9))
many = Perturbations(np.arange(20_000) % 3, np.zeros(20_000), np.linspace(12, -12, 20_000))
engine = JuliaEngine()
embedded.find_source = server.find_source = lambda: Path({str(STAND_IN)!r})

def simulate(perturbations=few, horizon=50.0, threads=1):
    outcome = engine.run(
        model, perturbations, stop=stop_rule("horizon"), horizon=horizon, threads=threads
    )
    return [values.tolist() for values in vars(outcome).values()]
"""
"""What programs begin with: a grid of three nodes, few and many perturbations, the engine."""

# A shell's background jobs ignore Ctrl-C, and so would their children.
RESTORE = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


def start(code: str, **variables: str) -> "subprocess.Popen[str]":
    """Starts a program, which :data:`PRELUDE` precedes, with more environment variables."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", RESTORE + PRELUDE + code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **variables},
    )


def finish(process: "subprocess.Popen[str]", timeout: float = 120) -> str:
    """What the program printed, once it has ended well."""
    try:
        out, error = process.communicate(timeout=timeout)
    finally:
        process.kill()
    assert process.returncode == 0, f"{how(process.returncode)}: {out}{error}"
    return out


def how(code: int) -> str:
    """An exit code in words."""
    return signal.Signals(-code).name if code < 0 else f"code {code}"
