"""Sessions that show what a model does, strong ones and weak ones."""

from typing import Any

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from gru4rec import EvaluationConfig, GRU4Rec, columns
from gru4rec.evaluation import prepare_evaluation
from gru4rec.serving import titles_of
from gru4rec_kedro.options.parameters import ExperimentConfig
from gru4rec_kedro.reporting.provenance import fingerprint

K = 10
_PLACES = (0.0, 0.25, 0.5, 0.75, 1.0)  # among the sessions, by the rank of their last target
LENGTHS = (2, 8)  # clicks before it: enough to know something of, and to be read


def choose_examples(
    model: GRU4Rec,
    valid: ir.Table,
    test: ir.Table,
    ranked_events: pd.DataFrame,
    evaluation: EvaluationConfig,
    experiment: ExperimentConfig,
) -> dict[str, Any]:
    """Chooses five sessions by rule: the best, the worst, and those at a quarter, half and 3/4.

    Sessions are in the order of the rank of their last target; ties are in the order of their
    length and id.

    Returns:
        `sessions`, a record each, without their ids: `clicked` (the known items before the target),
        `next` (the target), `rank`, and `best` (the ten best items); of how many they are chosen
        (`among`), whether `by_length` (2 to 8 clicks before it), `items` of the model, and the
        fingerprint of the `ranks`. Nothing where `experiment.example_sessions` is off.
    """
    if not experiment.example_sessions:
        return {}
    last = ranked_events.sort_values("position").drop_duplicates(columns.SESSION, keep="last")
    readable = last[last["position"].between(*LENGTHS)]
    is_enough = len(readable) >= len(_PLACES)
    among = readable if is_enough else last
    among = among.sort_values([columns.RANK, "position", columns.SESSION])
    places = np.unique(np.round(np.array(_PLACES) * (len(among) - 1)).astype(int))
    chosen = among.iloc[places]
    clicked = _clicked(model, {"valid": valid, "test": test}[experiment.evaluate_on], chosen)
    best = model.recommend(clicked, K, evaluation.exclude_seen).groupby("session")["item"]
    tops = {session: items.tolist() for session, items in best}
    return {
        "sessions": [
            {
                "clicked": clicked[session],
                "next": target,
                "rank": rank,
                "best": tops[session],
            }
            for session, target, rank in zip(
                chosen[columns.SESSION].tolist(),
                chosen[columns.ITEM].tolist(),
                chosen[columns.RANK].tolist(),
                strict=True,
            )
        ],
        "among": len(among),
        "by_length": is_enough,
        "items": len(model.vocabulary),
        "ranks": fingerprint(ranked_events),
    }


def _clicked(model: GRU4Rec, part: ir.Table, chosen: pd.DataFrame) -> dict[Any, list[Any]]:
    """The known items of each session before its target, in the order of the evaluation."""
    events = part.filter(part[columns.SESSION].isin(chosen[columns.SESSION].tolist())).to_pandas()
    known = events[model.vocabulary.encode(events[columns.ITEM]) >= 0]
    keys = columns.ITEM, columns.SESSION, columns.TIME
    sessions = prepare_evaluation(model.vocabulary, known, *keys).sessions
    items = {
        session: sessions.items[begin:].tolist()
        for session, begin in zip(sessions.session_ids.tolist(), sessions.offsets, strict=False)
    }
    n_before = zip(chosen[columns.SESSION].tolist(), chosen["position"].tolist(), strict=True)
    return {session: items[session][:n] for session, n in n_before}


def describe_examples(examples: dict[str, Any], items: pd.DataFrame) -> dict[str, Any]:
    """What the page shows of each session: items as mappings of `title` and `picture`."""
    if not examples:  # of an earlier version of the project
        return {"sessions": []}
    titles, pictures = items["title"].to_dict(), items["picture"].to_dict()

    def show(ids: list[Any]) -> list[dict[str, Any]]:
        return [
            {"title": title, "picture": _safe(pictures.get(str(item), ""))}
            for item, title in zip(ids, titles_of(ids, titles), strict=True)
        ]

    shown = [
        {
            "clicked": show(of["clicked"]),
            "next": show([of["next"]])[0],
            "rank": f"{of['rank']:,.10g}",
            "best": [
                {**item, "is_hit": best == of["next"]}
                for best, item in zip(of["best"], show(of["best"]), strict=True)
            ],
        }
        for of in examples["sessions"]
    ]
    shortest, longest = LENGTHS
    which = f" with {shortest} to {longest} clicks before their last target"
    return {
        "sessions": shown,
        "among": f"the {examples['among']:,} sessions{which if examples['by_length'] else ''}",
        "items": f"{examples['items']:,} items",
    }


def _safe(picture: str) -> str:
    """An address that a browser takes for a picture only."""
    return picture if picture.startswith(("https://", "http://", "data:image/")) else ""
