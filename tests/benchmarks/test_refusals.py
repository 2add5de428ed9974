"""Every benchmark refuses a wrong value in one line with exit code 2, before it begins."""

import re
from importlib import import_module

import pytest

from benchmarks.hardware import ROOT
from benchmarks.results import Report
from benchmarks.running import run_benchmark

WRONG = {
    "coverage": ["--grids 0", "--threads 0"],
    "decisions": ["--grids 0", "--sizes 0"],
    "diagnosis": ["--seeds 0"],
    "dirac_bianconi": ["--steps 0"],
    "engine_race": ["--scale -1", "--rounds 0"],
    "fma_peak": ["--repeats 0"],
    "further_training": ["--row x", "--counts x", "--epochs 0", "--rate 0", "--trainings nowhere"],
    "generation_scale": ["--channels 0", "--recurrence x"],
    "generators": [
        "--seeds 0",
        "--epochs -1",
        "--networks 0",
        "--rows x",
        "--late x=y",
        "--late x=2",
        "--requested x",
        "--sizes x:width=8",
    ],
    "gpu": ["--trajectories 0"],
    "grid_leaderboard": ["--seeds 0", "--rows x", "--train-on x", "--budget -1"],
    "grid_tasks": ["--seeds 0", "--epochs -1"],
    "house": ["--json"],
    "intervals": ["--seeds 0", "--levels x", "--levels 2", "--train-on x"],
    "landscape_prediction": ["--seeds 0", "--tasks x"],
    "landscapes": ["--probes 0"],
    "long_range": ["--seeds 0", "--epochs -1", "--rates x", "--models x"],
    "neural_graph_scale": ["--gpt2 -1"],
    "phase_zoos": ["--only x"],
    "population_rows": ["--networks 0"],
    "population_tools": ["--repeats 0"],
    "prompt_to_lora": ["--world x", "--method x", "--seed -1"],
    "readme": ["--nosuch"],
    "real_grids": ["--samples 0", "--seeds x", "--rows x"],
    "representation_training": ["--networks 0", "--methods x"],
    "representations": [
        "--seeds 0",
        "--rows x",
        "--tuning x",
        "--epochs-of-zoo x",
        "--held-out x:width=8",
        "--transfers x:y",
    ],
    "scaling": ["--repeats 0"],
    "scorecard": ["--train 0"],
    "signal_reach": ["--rates x", "--distances 0", "--parameters 0"],
    "sobol": ["--nodes 0"],
    "sparse_twins": ["--width 0"],
    "steadiness": ["--seeds 0", "--changes x"],
    "texas": ["--samples 0"],
    "training_throughput": ["--nodes 0"],
    "trajectories": ["--json"],
    "weights_coverage": ["--threads 0"],
    "weights_leaderboard": [
        "--seeds 0",
        "--rows x",
        "--models x=y",
        "--epochs-of-zoo x",
        "--transfers x:width=8",
    ],
    "zoo_training": ["--networks 0", "--recipe x"],
}


def test_every_benchmark_is_asked() -> None:
    files = {path: path.read_text(encoding="utf-8") for path in (ROOT / "benchmarks").glob("*.py")}
    assert not [path for path, text in files.items() if "typer.run(" in text]
    called = re.compile(r"^ +run_benchmark\(main\)", re.MULTILINE)
    programs = {path.stem for path, text in files.items() if called.search(text)} - {"running"}
    assert programs == set(WRONG)


@pytest.mark.parametrize(
    ("name", "arguments"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_wrong_value_is_refused_in_one_line(
    name: str,
    arguments: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def begin(*_: object, **__: object) -> None:
        raise AssertionError("the benchmark has begun")

    main = import_module(f"benchmarks.{name}").main
    monkeypatch.setattr(Report, "__init__", begin)
    with pytest.raises(SystemExit) as ended:
        run_benchmark(main, arguments.split())
    out, said = capsys.readouterr()
    assert ended.value.code == 2, said
    assert out == ""
    assert len(said.splitlines()) == 1
    assert said.startswith(f"{name}: ")
