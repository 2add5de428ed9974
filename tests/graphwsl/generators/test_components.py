"""Principal components against those of scikit-learn."""

import pytest
import torch
from sklearn.decomposition import PCA

from graphwsl.errors import InvalidArgumentError
from graphwsl.generators.components import PrincipalComponents


def test_components_are_those_of_scikit_learn() -> None:
    rows = torch.randn(12, 30, generator=torch.Generator().manual_seed(0)) + 3
    found, known = PrincipalComponents.fit(rows, 4), PCA(4).fit(rows.numpy())
    signs = (found.directions * torch.from_numpy(known.components_)).sum(1).sign()
    expected = torch.from_numpy(known.transform(rows.numpy())) * signs
    torch.testing.assert_close(found.scores(rows), expected, atol=1e-4, rtol=1e-4)
    deviation = torch.from_numpy(known.explained_variance_).sqrt()
    torch.testing.assert_close(found.deviation, deviation, atol=1e-5, rtol=1e-4)


def test_as_many_as_there_are_hold_everything() -> None:
    rows = torch.randn(5, 9, generator=torch.Generator().manual_seed(0))
    found = PrincipalComponents.fit(rows, 99)
    assert len(found.deviation) == 4
    torch.testing.assert_close(found.rows(found.scores(rows)), rows)


def test_one_network_varies_in_nothing() -> None:
    with pytest.raises(InvalidArgumentError, match="rows must be at least 2"):
        PrincipalComponents.fit(torch.ones(1, 3), 1)
