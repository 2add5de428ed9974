"""Two processes under torchrun train as one does."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gnncore.errors import TrainingError
from gnncore.storage import load_tensors
from gnncore.training import GraphStore, RegressionObjective, fit
from tests import ROOT
from tests.gnncore.training.training_cases import rings, settings, small_model, weights

SCRIPT = '''
"""The training of one process; its rank and the folder decide where results go."""
import os
import sys
import torch
from gnncore.storage import save_tensors
from tests.gnncore.training.test_data_parallel import train

torch.set_num_threads(1)
model, result = train(sys.argv[1], resume="--resume" in sys.argv)
losses = [(row["loss"], row["validation_loss"], row["validation_r2"]) for row in result.history]
tensors = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
tensors["losses"] = torch.tensor(losses, dtype=torch.float64).numpy()
save_tensors(f"{sys.argv[1]}/{os.environ['RANK']}.safetensors", tensors)
'''


def train(out: str | Path | None, *, resume: bool = False):
    """Double precision, masks, a last batch of one graph, and an odd number for validation."""
    graphs = rings(13, seed=4)
    for graph in graphs:
        graph.update({key: value.double() for key, value in graph if value.is_floating_point()})
        graph.y_mask = graph.x[:, 0] > -0.5
    store = GraphStore.from_data_list(graphs)
    model = small_model(normalisation="layer_norm", dropout=0.0).double()
    result = fit(
        model,
        store,
        store.select(range(5)),
        settings(batch_size=4, epochs=3, optimiser="sgd", learning_rate=0.1, clip_norm=0.1),
        RegressionObjective(),
        out,
        resume=resume,
        progress=False,
    )
    return model, result


def launch(folder: Path, *options: str) -> None:
    folder.mkdir(exist_ok=True)
    script = folder / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*torchrun, str(script), str(folder), *options],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_are_one(tmp_path: Path) -> None:
    model, result = train(None)
    launch(tmp_path / "two")
    ranks = [load_tensors(tmp_path / "two" / f"{rank}.safetensors") for rank in (0, 1)]
    wanted = [(r["loss"], r["validation_loss"], r["validation_r2"]) for r in result.history]
    for found in ranks:
        torch.testing.assert_close(
            torch.from_numpy(found["losses"]), torch.tensor(wanted, dtype=torch.float64)
        )
        for name, tensor in model.state_dict().items():
            torch.testing.assert_close(torch.from_numpy(found[name]), tensor, rtol=1e-9, atol=1e-11)
    assert all(ranks[0][name].tobytes() == ranks[1][name].tobytes() for name in ranks[0])
    assert (tmp_path / "two" / "history.jsonl").exists()
    launch(tmp_path / "two", "--resume")


def test_one_process_needs_no_group() -> None:
    model, _ = train(None)
    assert not torch.distributed.is_initialized()
    assert weights(model) == weights(train(None)[0])


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"WORLD_SIZE": "2"}, "RANK is not set; start the processes with torchrun"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, "MASTER_ADDR is not set"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE must be a number, got 'two'"),
        (
            {"WORLD_SIZE": "2", "RANK": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"},
            "RANK must be below WORLD_SIZE 2, got 2",
        ),
    ],
)
def test_a_world_without_ranks_is_one_line(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    from gnncore.training.distributed import processes_on

    for name in ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TrainingError, match=message), processes_on("cpu"):
        pass
