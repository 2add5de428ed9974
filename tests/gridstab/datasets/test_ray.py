"""The cluster executor, on a Ray cluster of two nodes that live on this machine."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gridstab.datasets import Campaign, run_campaign
from gridstab.datasets.executors import make_executor
from gridstab.errors import EngineUnavailableError
from tests.gridstab.run_bytes import promised_bytes

slow_and_noisy = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # Ray's own, of which it has many
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    yield cluster.address
    cluster.shutdown()


@pytest.fixture
def executor(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import ray

    monkeypatch.setenv("RAY_ADDRESS", address)
    yield make_executor("ray")
    ray.shutdown()


class TestOnACluster:
    pytestmark = slow_and_noisy

    def test_both_nodes_work(self, executor: Any) -> None:
        import ray

        assert len([node for node in ray.nodes() if node["Alive"]]) == 2
        assert executor.workers == 4

        def where(unit: int) -> str:
            import time

            time.sleep(0.1)
            return str(ray.get_runtime_context().get_node_id())

        results = dict(executor.map(where, range(40)))
        assert set(results) == set(range(40))
        assert len(set(results.values())) == 2

    def test_failures_come_back_as_they_were(self, executor: Any) -> None:
        results = dict(executor.map(lambda unit: 1 / unit, range(3)))
        assert isinstance(results[0], ZeroDivisionError)
        assert (results[1], results[2]) == (1.0, 0.5)

    def test_stop_starts_nothing_more(self, executor: Any) -> None:
        done = []
        for unit, result in executor.map(lambda unit: 2 * unit, range(1000)):
            assert result == 2 * unit
            done.append(unit)
            executor.stop()
        assert 1 <= len(done) <= 1 + executor.workers

    def test_bytes_are_those_of_this_machine(self, executor: Any, tmp_path: Path) -> None:
        campaign = Campaign.resolve(nodes=6, grids=3, samples=60)
        run_campaign(campaign, tmp_path / "a", workers=2)
        run_campaign(campaign, tmp_path / "b", executor=executor, seconds_per_unit=1e-4)
        assert promised_bytes(tmp_path / "a") == promised_bytes(tmp_path / "b")

    def test_from_the_command_line(self, address: str, tmp_path: Path) -> None:
        command = [sys.executable, "-m", "gridstab", "simulate", "--nodes", "6", "--samples", "50",
                   "--no-picture", "--quiet"]  # fmt: skip
        cluster = os.environ | {"RAY_ADDRESS": address}
        for name, more in (("a", []), ("b", ["--executor", "ray"])):
            out = str(tmp_path / name)
            subprocess.run([*command, "--out", out, *more], env=cluster, check=True, timeout=120)
        assert promised_bytes(tmp_path / "a") == promised_bytes(tmp_path / "b")


def test_without_ray_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EngineUnavailableError, match="pip install"):
        make_executor("ray")


@pytest.mark.filterwarnings("ignore")
def test_an_address_without_cluster_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")

    def refuse(address: str, **options: Any) -> None:
        raise ConnectionError(f"nobody at {address}")

    monkeypatch.setattr(ray, "init", refuse)
    with socket.create_server(("127.0.0.1", 0)) as server:  # which is no cluster
        address = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(EngineUnavailableError, match=f"nobody at {address}"):
            make_executor("ray")


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "127.0.0.1:99999{}"])
def test_an_address_that_nobody_answers_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "init", lambda *_, **__: pytest.fail("asked Ray"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("RAY_ADDRESS", form.format(port))
    with pytest.raises(EngineUnavailableError, match="no Ray cluster answers at RAY_ADDRESS"):
        make_executor("ray")
