import pandas as pd
import pytest

from gru4rec_kedro.reading import in_order


@pytest.mark.parametrize(
    ("places", "expected"), [([1, 0, 1, 0], [2, 3, 6, 5]), (None, [3, 2, 5, 6])]
)
def test_events_in_equal_times_are_in_the_order_that_models_read(places, expected):
    part = pd.DataFrame({"SessionId": [2, 2, 1, 1], "ItemId": [5, 6, 3, 2], "Time": [7, 7, 8, 8]})
    if places:
        part["PlaceInSession"] = places
    before = part.copy()
    assert in_order(part)["ItemId"].tolist() == expected
    pd.testing.assert_frame_equal(part, before)
