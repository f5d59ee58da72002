"""The layers that the tests of labels ask."""

import pytest
from label_files import LAYERS

from novelray.recipe.labels import LabelsSection


@pytest.fixture
def section() -> LabelsSection:
    return LabelsSection(layers=LAYERS, min_common=2)
