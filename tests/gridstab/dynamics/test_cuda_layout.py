"""How grids are laid out on a GPU and prepared for the kernel, and that it compiles for one."""

import subprocess
from pathlib import Path
from shutil import which

import networkx as nx
import numpy as np
import pytest

from gridstab import random_grid
from gridstab.dynamics.cuda import engine as cuda
from gridstab.dynamics.cuda.device import OPTIONS, blocks_per_multiprocessor
from gridstab.dynamics.cuda.layout import LARGEST_BLOCK, Layout
from gridstab.dynamics.cuda.tables import drift_coefficients, fundamental_cycles
from gridstab.dynamics.swing import SwingModel


@pytest.mark.parametrize("shared_bytes", [48 * 1024, 99 * 1024, 163 * 1024, 227 * 1024])
@pytest.mark.parametrize("nodes", [1, 2, 20, 100, 118, 443, 1910, 9241])
def test_layout_holds_every_node_within_the_limits(nodes: int, shared_bytes: int) -> None:
    layout = Layout.of(nodes, homogeneous=True, shared_bytes=shared_bytes)
    assert layout.threads <= LARGEST_BLOCK
    assert layout.groups & (layout.groups - 1) == 0
    assert layout.shared_memory(nodes) <= shared_bytes
    if layout.shared_rows:
        assert layout.nodes_per_group * layout.groups >= nodes > layout.groups - 8


def test_layout_of_the_published_grids() -> None:
    layouts = [Layout.of(n, homogeneous=True, shared_bytes=227 * 1024) for n in (20, 100, 1910)]
    assert [(a.lanes, a.groups, a.shared_rows) for a in layouts] == [
        (32, 4, True),
        (32, 16, True),
        (4, 256, True),
    ]
    assert not Layout.of(70_000, homogeneous=False, shared_bytes=227 * 1024).shared_rows


def test_occupancy_is_that_of_the_scarcest_resource() -> None:
    hopper = {
        "MaxBlocksPerMultiprocessor": 32,
        "MaxThreadsPerMultiProcessor": 2048,
        "MaxSharedMemoryPerMultiprocessor": 228 * 1024,
        "MaxRegistersPerMultiprocessor": 65536,
    }
    assert blocks_per_multiprocessor(512, 59 * 1024, 64, hopper) == 2  # registers
    assert blocks_per_multiprocessor(128, 56 * 1024, 64, hopper) == 4  # shared memory
    assert blocks_per_multiprocessor(512, 1024, 16, hopper) == 4  # threads
    assert blocks_per_multiprocessor(32, 0, 16, hopper) == 32  # blocks


def test_drift_coefficients_solve_the_damped_flow() -> None:
    from scipy.integrate import solve_ivp

    friction, step = np.array([0.0, 1e-9, 1e-3, 0.1, 5.0]), 0.1
    a, b, e = drift_coefficients(friction, step)
    for i, gamma in enumerate(friction):
        for power, omega, expected in ((0.0, 1.0, (a[i], e[i])), (1.0, 0.0, (b[i], a[i]))):
            flow = solve_ivp(
                lambda t, y, p=power, g=gamma: [y[1], p - g * y[1]],
                (0, step), [0.0, omega], "DOP853", rtol=1e-13, atol=1e-15,
            )  # fmt: skip
            np.testing.assert_allclose(flow.y[:, -1], expected, rtol=1e-11)


@pytest.mark.parametrize("seed", range(3))
def test_fundamental_cycles_close_and_span(seed: int) -> None:
    model = SwingModel.of(random_grid(60, seed=seed))
    start, cycle = fundamental_cycles(model)
    lines = model.grid.lines
    graph = nx.Graph(lines.tolist())
    assert len(start) - 1 == graph.number_of_edges() - graph.number_of_nodes() + 1
    for chord, first, last in zip(model.chord, start, start[1:], strict=False):
        part, direction = cycle[first:last].T
        assert chord in part
        assert len(set(part)) == len(part)
        boundary = np.zeros(60)
        np.add.at(boundary, lines[part, 0], direction)
        np.add.at(boundary, lines[part, 1], -direction)
        assert not boundary.any()


@pytest.mark.slow
@pytest.mark.skipif(which("nvcc") is None, reason="nvcc is not installed")
@pytest.mark.parametrize("nodes", [20, 100, 1910, 70_000])
@pytest.mark.parametrize("homogeneous", [True, False])
def test_nvcc_compiles_the_kernel_within_its_registers(
    nodes: int, homogeneous: bool, tmp_path: Path
) -> None:
    layout = Layout.of(nodes, homogeneous=homogeneous, shared_bytes=227 * 1024)
    source = Path(cuda.__file__).with_name("swing.cu")
    report = subprocess.run(
        ["nvcc", *OPTIONS, *layout.definitions, "-arch=sm_90", "-Xptxas", "-v", "-cubin"]
        + [str(source), "-o", str(tmp_path / "swing.cubin")],
        check=True, capture_output=True, text=True,
    ).stderr  # fmt: skip
    spilled = int(report.split("bytes stack frame, ")[1].split(" bytes spill stores")[0])
    assert spilled <= 32
