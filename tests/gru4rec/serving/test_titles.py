from gru4rec.serving import titles_of


def test_items_without_a_title_are_shown_by_their_ids():
    titles = {"7": "Red shoe", "b": "Blue shoe"}
    assert titles_of([7, "b", 8], titles) == ["Red shoe", "Blue shoe", "8"]
    assert titles_of([7, "b"]) == ["7", "b"]
