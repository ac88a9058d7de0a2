import ibis
import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import jensenshannon

from gru4rec import ConfigError, DataError, EvaluationConfig, GRU4Rec, LoadingConfig
from gru4rec.evaluation import compare, mean_metrics, rank_shared
from gru4rec_kedro.options.parameters import PromotionConfig
from gru4rec_kedro.pipelines.promotion import drift
from gru4rec_kedro.pipelines.promotion.nodes import _decide, compare_with_service, promote_model
from gru4rec_kedro.pipelines.promotion.report import write_promotion_report

DAY = 86_400
PROMOTION = PromotionConfig(metric="mrr@3", days=None)


def make_log(n_sessions, step, seed=0):
    """Sessions of four events; an item is followed by that `step` further on, of ten."""
    firsts = np.random.default_rng(seed).integers(0, 10, n_sessions)
    rows = [
        (session, (first + place * step) % 10, session * 864 + place)
        for session, first in enumerate(firsts)
        for place in range(4)
    ]
    return pd.DataFrame(rows, columns=["SessionId", "ItemId", "Time"])


def train(log, seed=42):
    options = {"layers": [16], "n_sample": 8, "batch_size": 8, "n_epochs": 5, "device": "cpu"}
    gru = GRU4Rec(**options, seed=seed).fit(log, compatibility_mode=False)
    gru.notes |= {"events": len(log), "sessions": log["SessionId"].nunique()}
    return gru


TEST = make_log(200, step=1, seed=1)


@pytest.fixture(scope="module")
def good():
    return train(make_log(200, step=1))


@pytest.fixture(scope="module")
def bad():
    return train(make_log(200, step=3))


@pytest.fixture
def decide(tmp_path):
    """Compares a model with one in service, promotes it or not, and returns what was said."""

    def run(model, in_service=None, test=TEST, **options):
        service = tmp_path / "models/in_service.pth"
        if in_service:
            service.parent.mkdir()
            in_service.save(service)
        before = service.read_bytes() if in_service else None
        promotion = PROMOTION.model_copy(update=options)
        table, verdict = compare_with_service(
            model, service, ibis.memtable(test), EvaluationConfig(), promotion, LoadingConfig()
        )
        promote_model(model, service, verdict)
        assert verdict["promote"] == (service.read_bytes() != before)
        serves = model if verdict["promote"] else in_service
        assert GRU4Rec.load(service).digest == serves.digest
        return table.set_index("what"), verdict

    return run


def test_the_first_model_is_promoted(decide, good):
    table, verdict = decide(good)
    assert verdict["reason"] == "Promoted: no model was in service"
    assert table["in_service"].isna().all()
    assert table.loc["events", ["model", "newest"]].tolist() == [800, 800]


def test_a_better_model_is_promoted(decide, good, bad):
    table, verdict = decide(good, bad)
    assert verdict["reason"].startswith("Promoted: it is better, MRR@3 +0.")
    assert verdict["low"] > 0
    new, old = (rank_shared(of, TEST, np.arange(10)) for of in (good, bad))
    ahead = compare(new.sessions, new.ranks, old.ranks, 3).iloc[0]
    assert (verdict["ahead"], verdict["p"]) == (ahead["mrr_ahead"], ahead["mrr_p"])
    values = [mean_metrics(of.ranks, [3])["mrr"][3] for of in (old, new)]
    expected = [*values, ahead["mrr_ahead"]]
    assert table.loc["MRR@3", ["in_service", "model", "between"]].tolist() == expected


def test_a_worse_model_is_not_promoted(decide, good, bad, caplog):
    _, verdict = decide(bad, good)
    assert verdict["reason"].startswith("Not promoted: it is worse, MRR@3 -0.")
    assert verdict["high"] < 0
    assert [r.levelname for r in caplog.records if "Not promoted" in r.message] == ["WARNING"]


def test_what_is_tolerated_is_promoted(decide, good, bad):
    _, verdict = decide(bad, good, tolerance=1)
    assert "it is not worse by more than the tolerance, 1: MRR@3 -0." in verdict["reason"]


@pytest.mark.parametrize(
    ("low", "high", "promoted", "reason"),
    [
        (0.001, 0.02, True, "Promoted: it is better, MRR@3 +0.0"),
        (-0.01, 0.02, True, "Promoted: it is not worse by more than the tolerance, 0.01: MRR@3 "),
        (-0.01, -0.002, True, "Promoted: it is not worse by more than the tolerance, 0.01: MRR@3 "),
        (-0.0101, 0.02, False, "Not promoted: it may be worse by more than the tolerance, 0.01: "),
        (-0.0101, -0.002, False, "Not promoted: it is worse, MRR@3 -0.0"),
    ],
)
def test_the_interval_decides(low, high, promoted, reason):
    ahead = {"mrr_ahead": (low + high) / 2, "mrr_ahead_low": low, "mrr_ahead_high": high}
    about = {"model": "new", "in_service": "old", "sessions": 100}
    verdict = _decide(about, pd.Series(ahead | {"mrr_p": 0.5}), PROMOTION)
    assert verdict["promote"] == promoted
    assert verdict["reason"].startswith(reason)


def test_the_same_model_is_left_where_it_is(decide, good):
    _, verdict = decide(good, good)
    assert verdict["reason"] == "Not moved: this very model is in service already"


def test_a_few_sessions_decide_nothing(decide, good, bad):
    _, verdict = decide(good, bad, test=TEST[:200])
    assert (
        "Not promoted: 50 sessions tell nothing, at least 100 with two events" in verdict["reason"]
    )


def test_only_sessions_that_can_be_compared_count(decide, good, bad):
    new = TEST.assign(ItemId=TEST["ItemId"].where(TEST["SessionId"] < 99, TEST["ItemId"] + 100))
    _, verdict = decide(good, bad, test=new)
    assert verdict["sessions"] == 99
    assert verdict["reason"].startswith("Not promoted: 99 sessions tell nothing")


def test_a_day_of_new_items_only_decides_nothing(decide, good, bad):
    table, verdict = decide(good, bad, test=TEST.assign(ItemId=TEST["ItemId"] + 100))
    assert verdict["reason"].startswith("Not promoted: 0 sessions tell nothing")
    assert table.loc["events on unknown items", ["in_service", "model"]].tolist() == [1, 1]
    assert "MRR@3" not in table.index


def test_only_the_newest_days_are_looked_at(decide, good):
    _, verdict = decide(good, days=0.5)  # a session starts every 864 seconds
    assert (verdict["sessions"], verdict["events"]) == (50, 200)


def test_a_model_is_not_promoted_by_the_verdict_about_another(good, bad, tmp_path):
    service = tmp_path / "in_service.pth"
    _, verdict = compare_with_service(
        good, service, ibis.memtable(TEST), EvaluationConfig(), PROMOTION, LoadingConfig()
    )
    with pytest.raises(DataError, match="the verdict is about another model"):
        promote_model(bad, service, verdict)
    assert not service.exists()


def test_a_model_is_not_promoted_over_another_than_it_was_compared_with(good, bad, tmp_path):
    service = tmp_path / "in_service.pth"
    bad.save(service)
    _, verdict = compare_with_service(
        good, service, ibis.memtable(TEST), EvaluationConfig(), PROMOTION, LoadingConfig()
    )
    assert verdict["promote"]
    good.save(service)
    before = service.read_bytes()
    with pytest.raises(DataError, match="the verdict is about another model in service"):
        promote_model(good, service, verdict)
    assert service.read_bytes() == before


def test_days_are_not_counted_in_times_that_only_order(good, tmp_path):
    options = (ibis.memtable(TEST), EvaluationConfig(), PROMOTION.model_copy(update={"days": 1.0}))
    with pytest.raises(ConfigError, match=r"promotion\.days counts days.*'ordinal'"):
        compare_with_service(
            good, tmp_path / "none.pth", *options, LoadingConfig(time_unit="ordinal")
        )


def test_ids_of_another_kind_are_refused(decide, good):
    other = train(make_log(200, step=1).astype({"ItemId": str}))
    with pytest.raises(DataError, match=r"in_service\.pth, cannot be compared with the new one"):
        decide(good, other)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ({1: 3, 2: 3}, {2: 1, 1: 1}, 0),
        ({1: 3}, {2: 1}, 1),
        ({1: 1, 2: 1}, {1: 5, 3: 5}, 3 / 2 - (1 + 1) / 2),
    ],
)
def test_divergence_is_that_of_shares(ours, theirs, expected):
    found = drift.divergence(pd.Series(ours), pd.Series(theirs))
    assert found == pytest.approx(expected, abs=1e-12)
    p, q = pd.Series(ours).align(pd.Series(theirs), fill_value=0)
    assert found == pytest.approx(jensenshannon(p, q, base=2) ** 2, abs=1e-12)


def test_drift_is_told_of_both_models(decide, good):
    half = train(make_log(200, step=1).query("ItemId < 5"))
    table, _ = decide(good, half)
    assert table.loc["items", ["in_service", "model", "newest"]].tolist() == [5, 10, 10]
    unknown = table.loc["events on unknown items"]
    assert unknown["in_service"] == (TEST["ItemId"] >= 5).mean()
    assert unknown["model"] == 0
    shift = table.loc["shift of items from the newest"]
    assert shift["in_service"] > 0.2
    assert shift["model"] < 0.02
    assert table.loc["session length", "newest"] == 4
    assert table.loc["session length", "model"] == 4
    assert 0 < table.loc["overlap of the 3 best", "between"] < 1


def test_a_model_overlaps_with_itself(good):
    assert drift.overlap(good, good, TEST, 3) == 1


def test_a_model_without_notes_has_no_session_length(good):
    bare = train(make_log(50, step=1))
    bare.notes.clear()
    assert np.isnan(drift.training_session_length(bare))


def test_the_page_has_the_verdict_and_the_table(decide, good, bad):
    table, verdict = decide(bad, good)
    page = write_promotion_report(table.reset_index(), verdict)
    assert f'<p class="warning">{verdict["reason"]}.</p>' in page
    assert ">events</th><td>800</td><td>800</td><td>–</td><td>800</td>" in page
    assert verdict["in_service"] in page
    first = write_promotion_report(table.reset_index(), verdict | {"in_service": None})
    assert "<dd>none</dd>" in first
