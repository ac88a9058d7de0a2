"""What goes into the server and comes out, as JSON; the page /docs is made of it.

What comes in is checked; what goes out is made by the server itself, as plain dictionaries.
"""

from typing import Annotated, Any, NotRequired

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
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


class RecommendedItem(TypedDict):
    """An item with its score, and its title if the server knows one."""

    item: ItemId
    score: float
    title: NotRequired[str]


class SessionAnswer(TypedDict):
    """The next items of a session."""

    session: str
    model: Annotated[str, Field(description="Digest of the model that answered.")]
    items: Annotated[list[RecommendedItem], Field(description="Best first.")]


class ClickAnswer(SessionAnswer):
    """The next items of a session after clicks."""

    known: Annotated[int, Field(description="Clicks on items that the model knows.")]
    unknown: Annotated[int, Field(description="Clicks on others: kept, and skipped by this model.")]
    repeated: Annotated[int, Field(description="Clicks whose event id was there before.")]


class ManyAnswers(TypedDict):
    """The next items of each session, in the order of the request."""

    model: Annotated[str, Field(description="Digest of the model that answered.")]
    unknown: Annotated[int, Field(description="Items that the model does not know, and skipped.")]
    sessions: list[list[RecommendedItem]]


class SimilarItems(TypedDict):
    """The items that are most like one."""

    item: ItemId
    model: str
    items: Annotated[list[RecommendedItem], Field(description="The score is the cosine.")]


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

    detail: str


class Status(BaseModel):
    """Whether the server can answer."""

    status: str
