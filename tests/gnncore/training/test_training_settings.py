"""Settings say no in one line."""

import pytest

from gnncore.errors import SpecificationError
from gnncore.training import TrainingSettings


def test_a_file_and_options_above_it(tmp_path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('epochs = 7\noptimiser = "sgd"\nlearning_rate = 0.5\n', encoding="utf-8")
    found = TrainingSettings.from_toml(path, epochs=9, seed=None)
    assert found == TrainingSettings(epochs=9, optimiser="sgd", learning_rate=0.5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs must be greater than or equal to 1, got 0"),
        ({"optimiser": "adam"}, "optimiser must be 'adamw' or 'sgd', got 'adam'"),
        ({"learning_rate": float("nan")}, "learning_rate must be"),
        ({"lr": 0.1}, "unknown key 'lr'; the keys of training settings are epochs,"),
        ({"device": "gpu"}, "device: .* got 'gpu'"),
        ({"nesterov": True}, "nesterov needs optimiser 'sgd' with momentum, got 'adamw'"),
    ],
)
def test_what_does_not_exist_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(SpecificationError, match=message) as caught:
        TrainingSettings(**values)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_settings(tmp_path) -> None:
    path = tmp_path / "settings.toml"
    with pytest.raises(SpecificationError, match=r"settings\.toml"):
        TrainingSettings.from_toml(path)
    path.write_text("epochs = ", encoding="utf-8")
    with pytest.raises(SpecificationError, match="no valid TOML"):
        TrainingSettings.from_toml(path)
