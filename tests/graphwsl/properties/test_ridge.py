"""Ridge regression over all penalties is that of scikit-learn, one penalty after the other."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge as Reference
from sklearn.preprocessing import StandardScaler

from graphwsl.properties.ridge import PENALTIES, Ridge, one_hot

Table = np.ndarray


def tables(rows: int, columns: int, outputs: int = 2, seed: int = 0) -> tuple[Table, ...]:
    """Rows to learn from and others, of columns of very different sizes and means."""
    generator = np.random.default_rng(seed)
    scale = 10.0 ** generator.uniform(-3, 3, columns)
    weight = generator.standard_normal((columns, outputs)) / scale[:, None]

    def draw(count: int) -> tuple[Table, Table]:
        x = scale * (generator.standard_normal((count, columns)) + 3)
        return x, x @ weight + generator.standard_normal((count, outputs)) + 5

    return (*draw(rows), *draw(20))


def by_scikit_learn(penalty: float, x: Table, y: Table, seen: Table) -> Table:
    """The mean squared error and the penalty of standardised columns: alpha is n times ours."""
    scaler = StandardScaler().fit(x)
    model = Reference(alpha=penalty * len(x)).fit(scaler.transform(x), y)
    found: Table = model.predict(scaler.transform(seen))
    return found.reshape(len(seen), -1)


@pytest.mark.parametrize(("rows", "columns"), [(30, 4), (12, 40), (15, 15)])
def test_it_is_the_best_of_all_penalties(rows: int, columns: int) -> None:
    x, y, valid_x, valid_y = tables(rows, columns)
    found = Ridge.fit(x, y, valid_x, valid_y)
    errors = [((by_scikit_learn(one, x, y, valid_x) - valid_y) ** 2).mean() for one in PENALTIES]
    assert found.penalty == PENALTIES[int(np.argmin(errors))]
    assert PENALTIES[0] <= found.penalty < PENALTIES[-1]
    expected = by_scikit_learn(found.penalty, x, y, valid_x)
    np.testing.assert_allclose(found.predict(valid_x), expected, rtol=1e-6, atol=1e-8)
    assert found.weight.shape == (columns, 2)


def test_validation_and_nothing_else_chooses() -> None:
    """What learns noise is penalised, what learns a law is not."""
    generator = np.random.default_rng(0)
    x, valid_x = generator.standard_normal((40, 30)), generator.standard_normal((400, 30))
    noise, other = generator.standard_normal((40, 1)), generator.standard_normal((400, 1))
    assert Ridge.fit(x, noise, valid_x, other).penalty >= 1
    law = generator.standard_normal((30, 1))
    assert Ridge.fit(x, x @ law, valid_x, valid_x @ law).penalty == PENALTIES[0]


@pytest.mark.parametrize("columns", [3, 30])
def test_missing_values_are_means_of_the_training(columns: int) -> None:
    x, y, valid_x, valid_y = tables(20, columns)
    holes = np.random.default_rng(1).random(x.shape) < 0.2
    holed, seen = np.where(holes, np.nan, x), valid_x.copy()
    seen[::3, 0] = np.nan
    found = Ridge.fit(holed, y, seen, valid_y)
    mean = np.nanmean(holed, axis=0)
    np.testing.assert_allclose(found.mean, mean)
    np.testing.assert_allclose(found.scale, np.nanstd(holed, axis=0))
    # Standardised by the values that are there, a hole is a zero.
    filled = np.where(holes, 0.0, (x - mean) / found.scale)
    model = Reference(alpha=found.penalty * len(x)).fit(filled, y)
    known = np.where(np.isnan(seen), 0.0, (seen - mean) / found.scale)
    np.testing.assert_allclose(found.predict(seen), model.predict(known), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("value", [0.0, 7.0, 1e9, np.nan])
def test_columns_that_say_nothing_change_nothing(value: float) -> None:
    x, y, valid_x, valid_y = tables(25, 3)
    plain = Ridge.fit(x, y, valid_x, valid_y)
    wide, seen = (np.hstack([some, np.full((len(some), 2), value)]) for some in (x, valid_x))
    found = Ridge.fit(wide, y, seen, valid_y)
    assert found.scale[3:].tolist() == [1, 1]
    np.testing.assert_allclose(found.weight[3:], 0, atol=1e-12)
    np.testing.assert_allclose(found.predict(seen), plain.predict(valid_x), rtol=1e-6)
    # Nor does a value there that no training row had, for there is no weight.
    seen[:, 3] += 1
    np.testing.assert_allclose(found.predict(seen), plain.predict(valid_x), rtol=1e-6)


def test_no_column_at_all_predicts_the_mean() -> None:
    _, y, _, valid_y = tables(9, 2)
    nothing = np.zeros((9, 0)), np.zeros((20, 0))
    found = Ridge.fit(nothing[0], y, nothing[1], valid_y)
    np.testing.assert_allclose(found.predict(nothing[1]), np.tile(y.mean(0), (20, 1)))


def test_a_class_is_a_column() -> None:
    found = one_hot(np.array([2, 0, 2]), 4)
    assert found.tolist() == [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 1, 0]]
