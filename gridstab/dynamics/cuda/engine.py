"""The GPU engine: streams perturbations through the kernel and collects the outcomes.

The kernel's source runs on a CPU in the tests, thread by thread. No GPU has measured it yet, so
``auto`` does not choose this engine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridstab.dynamics.cuda.device import CupyDevice, Device, Kernel, cupy_availability
from gridstab.dynamics.cuda.layout import Layout
from gridstab.dynamics.cuda.tables import LANE, OUTCOMES, PERTURBATIONS, make_problem
from gridstab.dynamics.engine import Availability, Perturbations, StopRule, Trajectories
from gridstab.dynamics.schedule import run_by_speed
from gridstab.dynamics.swing import SwingModel
from gridstab.errors import InvalidParameterError

CHUNK = 1 << 20
"""Trajectories on the device at a time; memory does not grow beyond it."""

STEPS_PER_LAUNCH = 2000
"""Milliseconds to a second: Ctrl-C answers, and no display driver takes the device for hung."""

OUTCOME_TYPES = {
    "status": np.int8,
    "reason": np.int8,
    "stop_clock": np.int32,
    "max_frequency": np.float32,
}


@dataclass
class CudaEngine:
    """Thousands of trajectories at once on an NVIDIA GPU, in float32, through CuPy.

    The integrator, its steps and the stop rules are those of the ``native`` engine, except that
    the ``published`` rule is applied at checks alone, not at every step. An outcome is the same
    bit for bit whatever the batch. Large batches pay: a GPU holds about 20,000 trajectories at
    once.

    Attributes:
        device: Gives the device to run on (default: CuPy's current one).
        chunk: Trajectories on the device at a time.
        steps_per_launch: Steps between two looks at the device.
        layout: Overrides how a grid is laid out.
        name: Its name among the engines.
    """

    device: Callable[[], Device] = CupyDevice
    chunk: int = CHUNK
    steps_per_launch: int = STEPS_PER_LAUNCH
    layout: Layout | None = None
    name: str = "cuda"

    def availability(self) -> Availability:
        """Usable where CuPy is installed and finds a device."""
        return cupy_availability()

    def run(
        self,
        model: SwingModel,
        perturbations: Perturbations,
        *,
        stop: StopRule,
        horizon: float = 500.0,
        threads: int = 1,
    ) -> Trajectories:
        """Outcomes of the perturbations, bit for bit the same in any batch.

        Args:
            model: The grid around its operating point.
            perturbations: One node and its offsets a trajectory.
            stop: When a trajectory may stop early.
            horizon: Longest time [s].
            threads: Threads of a CPU engine; not used.

        Raises:
            InvalidParameterError: An unknown node, a horizon that is not positive, a grid too fast
                for the horizon, or one that single precision cannot resolve.
        """
        del threads
        _check(model, perturbations, horizon)
        if not len(perturbations):
            return Trajectories.empty(0)
        return run_by_speed(
            perturbations, lambda part, offset: self._run(model, part, stop, horizon, offset)
        )

    def _run(
        self,
        model: SwingModel,
        perturbations: Perturbations,
        stop: StopRule,
        horizon: float,
        fastest_offset: float,
    ) -> Trajectories:
        device = self.device()
        grid = model.grid
        layout = self.layout or Layout.of(
            grid.num_nodes,
            homogeneous=grid.is_homogeneous and grid.num_lines > 0,
            shared_bytes=device.shared_bytes,
        )
        tables, parameters, interval = make_problem(model, stop, horizon, layout, fastest_offset)
        kernel = device.load(layout, grid.num_nodes)
        parameters["rounds"] = max(1, self.steps_per_launch // int(parameters["round_steps"][0]))
        # Buffers must outlive the launches that read them.
        kept = _point(device, parameters, tables)
        most = min(len(perturbations), self.chunk)
        blocks = min(kernel.resident_blocks, -(-most // layout.lanes))
        workspace = make_workspace(device, layout, grid.num_nodes, blocks)
        _point_at(device, parameters, workspace)

        parts = []
        for start in range(0, len(perturbations), self.chunk):
            part = perturbations[start : start + self.chunk]
            outcome = _run_chunk(device, kernel, blocks, parameters, workspace, part)
            parts.append(
                Trajectories(
                    outcome["status"],
                    outcome["reason"],
                    outcome["stop_clock"] * interval,
                    outcome["max_frequency"].astype(np.float64),
                )
            )
        del kept
        return Trajectories.concatenate(parts)


def make_workspace(device: Device, layout: Layout, nodes: int, blocks: int) -> dict[str, Any]:
    """Memory for the blocks' states between launches, by the names of ``tables.WORKSPACE``."""
    cells = blocks * nodes * layout.lanes
    lanes = np.zeros(blocks * layout.lanes, LANE)
    lanes["trajectory"] = -1
    rows = 0 if layout.shared_rows else 2 * cells
    pairs = {"state": cells, "rows": rows, "extent": cells, "last_extent": cells}
    singles = ("last_mean", "turns", "window_theta")
    return {
        "lanes": device.upload(lanes.view(np.int32)),
        **{name: device.zeros((max(size, 1), 2), np.float32) for name, size in pairs.items()},
        **{name: device.zeros(cells, np.float32) for name in singles},
        "counters": device.zeros(2, np.int32),
    }


def _run_chunk(
    device: Device,
    kernel: Kernel,
    blocks: int,
    parameters: np.ndarray[Any, Any],
    workspace: dict[str, Any],
    part: Perturbations,
) -> dict[str, np.ndarray[Any, Any]]:
    """Launches slices until every trajectory of the chunk has finished."""
    count = len(part)
    types = (np.int32, np.float32, np.float32)
    inputs = {
        name: getattr(part, name).astype(kind)
        for name, kind in zip(PERTURBATIONS, types, strict=True)
    }
    kept = _point(device, parameters, inputs)
    outcome = {name: device.zeros(count, OUTCOME_TYPES[name]) for name in OUTCOMES}
    workspace["counters"][:] = 0
    _point_at(device, parameters, outcome)
    parameters["trajectories"] = count
    finished = 0
    while finished < count:
        kernel.launch(blocks, parameters)
        finished = int(device.download(workspace["counters"])[1])
    del kept
    return {name: device.download(buffer) for name, buffer in outcome.items()}


def _point(
    device: Device, parameters: np.ndarray[Any, Any], arrays: dict[str, np.ndarray[Any, Any]]
) -> dict[str, Any]:
    """Uploads the arrays and points the parameters of their names at them."""
    buffers = {
        # A grid without lines or cycles still needs somewhere to point.
        name: device.upload(values if values.size else np.zeros(4, values.dtype))
        for name, values in arrays.items()
    }
    _point_at(device, parameters, buffers)
    return buffers


def _point_at(device: Device, parameters: np.ndarray[Any, Any], buffers: dict[str, Any]) -> None:
    for name, buffer in buffers.items():
        parameters[name] = device.address(buffer)


def _check(model: SwingModel, perturbations: Perturbations, horizon: float) -> None:
    """The kernel would read beyond its arrays."""
    if not (np.isfinite(horizon) and horizon > 0):
        raise InvalidParameterError(f"horizon must be positive and finite, got {horizon}")
    nodes = model.grid.num_nodes
    for node in perturbations.node[(perturbations.node < 0) | (perturbations.node >= nodes)][:1]:
        raise InvalidParameterError(f"no node {node} to perturb; nodes are 0 to {nodes - 1}")
