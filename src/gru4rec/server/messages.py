"""What goes into the server and comes out, as JSON; the page /docs is made of it.

What comes in is checked; what goes out is made by the server itself, as plain dictionaries.
"""

from typing import Annotated, Any, NotRequired

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    with_config,
)
from typing_extensions import TypedDict  # pydantic wants this one, before Python 3.12

from gru4rec.errors import shown

LONGEST_ID = 2048


def _check_id(value: Any) -> str | int:
    if type(value) is int or (type(value) is str and len(value) <= LONGEST_ID):
        return value
    raise ValueError(
        f"{shown(value)} is no item id; an integer, or text of up to {LONGEST_ID} characters, is "
        "expected"
    )


ItemId = Annotated[
    Any,
    BeforeValidator(_check_id),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]}),
]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Wanted(_Message):
    """What is wanted of the next items, in the address."""

    k: int = Field(20, ge=1, description="How many items.", examples=[5])
    exclude_seen: bool = Field(False, description="Leave out the items of the session.")
    candidates: str | None = Field(
        None, description="Name of a shortlist: recommend these items only."
    )


class Event(_Message):
    """A click."""

    item: ItemId = Field(examples=[214834877])
    id: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        None,
        description="Of your own; a click that comes again with it changes nothing.",
        examples=["click-1"],
    )


class Events(_Message):
    """Clicks of a session, oldest first."""

    events: Annotated[list[Event], Field(min_length=1)]


class ManySessions(_Message):
    """The items of sessions, oldest first."""

    sessions: Annotated[list[list[ItemId]], Field(min_length=1)] = Field(
        examples=[[[214834877, 214757390], []]]
    )


_ITEMS = [{"item": 11956, "score": 6.25, "title": "a blue lamp"}, {"item": 11504, "score": 5.5}]
_SESSION = {"session": "anna", "model": "0b6cd2fb7e2a4c11930f5ad7c1e48a26", "items": _ITEMS}


def _example(**example: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class RecommendedItem(TypedDict):
    """An item with its score, and its title if the server knows one."""

    item: ItemId
    score: float
    title: NotRequired[str]


@with_config(_example(**_SESSION))
class SessionAnswer(TypedDict):
    """The next items of a session."""

    session: str
    model: Annotated[str, Field(description="Digest of the model that answered.")]
    items: Annotated[list[RecommendedItem], Field(description="Best first.")]


@with_config(_example(**_SESSION, known=1, unknown=0, repeated=0))
class ClickAnswer(SessionAnswer):
    """The next items of a session after clicks."""

    known: Annotated[int, Field(description="Clicks on items that the model knows.")]
    unknown: Annotated[int, Field(description="Clicks on others: kept, and skipped by this model.")]
    repeated: Annotated[int, Field(description="Clicks whose event id was there before.")]


@with_config(_example(model=_SESSION["model"], unknown=0, sessions=[_ITEMS, _ITEMS[:1]]))
class ManyAnswers(TypedDict):
    """The next items of each session, in the order of the request."""

    model: Annotated[str, Field(description="Digest of the model that answered.")]
    unknown: Annotated[int, Field(description="Items that the model does not know, and skipped.")]
    sessions: list[list[RecommendedItem]]


@with_config(_example(item=11504, model=_SESSION["model"], items=[{"item": 11956, "score": 0.83}]))
class SimilarItems(TypedDict):
    """The items that are most like one."""

    item: ItemId
    model: str
    items: Annotated[list[RecommendedItem], Field(description="The score is the cosine.")]


@with_config(
    _example(
        digest=_SESSION["model"],
        file="gru4rec.pth",
        loaded_at="2026-11-29T12:00:00+00:00",
        items=500,
        ids="integers",
        configuration={"layers": [100], "loss": "cross-entropy"},
        last_epoch={"epoch": 10, "loss": 5.87, "mrr@20": 0.31},
        notes={},
        shortlists={"in_stock": 420},
        limits={"k": 1000, "items": 1000, "body": 1_000_000},
    )
)
class ModelAnswer(TypedDict):
    """The model that is served."""

    digest: str
    file: str
    loaded_at: str
    items: int
    ids: Annotated[str, Field(description="Kind of the item ids: integers or text.")]
    configuration: dict[str, Any]
    last_epoch: Annotated[
        dict[str, Any], Field(description="Loss and validation metrics of the training.")
    ]
    notes: dict[str, Any]
    shortlists: Annotated[dict[str, int], Field(description="Items of each.")]
    limits: dict[str, int]


class Problem(BaseModel):
    """What is wrong, in one message."""

    detail: str = Field(examples=["k is 5000; at most 1000 items are answered"])


class Status(BaseModel):
    """Whether the server can answer."""

    status: str = Field(examples=["ready"])
