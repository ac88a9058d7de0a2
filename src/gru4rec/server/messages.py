"""What goes into the server and comes out, as JSON; the page /docs is made of it."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

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


class RecommendedItem(BaseModel):
    """An item with its score, and its title if the server knows titles."""

    item: ItemId
    score: float
    title: str | None = None


class SessionAnswer(BaseModel):
    """The next items of a session."""

    session: str
    model: str = Field(description="Digest of the model that answered.")
    items: list[RecommendedItem] = Field(description="Best first.")


class ClickAnswer(SessionAnswer):
    """The next items of a session after clicks."""

    known: int = Field(description="Clicks on items that the model knows.")
    unknown: int = Field(description="Clicks on others: kept, and skipped by this model.")
    repeated: int = Field(description="Clicks whose event id was there before.")


class ManyAnswers(BaseModel):
    """The next items of each session, in the order of the request."""

    model: str = Field(description="Digest of the model that answered.")
    unknown: int = Field(description="Items that the model does not know, and skipped.")
    sessions: list[list[RecommendedItem]]


class SimilarItems(BaseModel):
    """The items that are most like one."""

    item: ItemId
    model: str
    items: list[RecommendedItem] = Field(description="The score is the cosine.")


class ModelAnswer(BaseModel):
    """The model that is served."""

    digest: str
    file: str
    loaded_at: str
    items: int
    ids: str = Field(description="Kind of the item ids: integers or text.")
    configuration: dict[str, Any]
    last_epoch: dict[str, Any] = Field(description="Loss and validation metrics of the training.")
    notes: dict[str, Any]
    shortlists: dict[str, int] = Field(description="Items of each.")
    limits: dict[str, int]


class Problem(BaseModel):
    """What is wrong, in one message."""

    detail: str


class Status(BaseModel):
    """Whether the server can answer."""

    status: str
