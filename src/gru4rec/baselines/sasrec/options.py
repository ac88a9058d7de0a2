"""Options of SASRec, with every constraint; `SASRec` says what they mean."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from gru4rec.config import DropProbability, NonNegative, Positive, Section, Size

BlockName = Literal["ligr", "sasrec"]
LossName = Literal["softmax", "gbce"]


class SASRecConfig(Section):
    """The transformer, its loss and how it is trained."""

    units: Size
    n_blocks: Size
    n_heads: Size
    max_length: Size
    block: BlockName
    dropout: DropProbability
    loss: LossName
    logq: NonNegative
    calibration: Annotated[float, Field(ge=0, le=1)]
    n_sample: Size
    sample_alpha: float
    batch_size: Size
    learning_rate: Positive
    learning_rate_decay: Annotated[float, Field(gt=0, le=1)]
    n_epochs: PositiveInt
    device: str
    seed: Annotated[int, Field(ge=0, lt=2**63)]

    @model_validator(mode="after")
    def _equal_heads(self) -> Self:
        if self.units % self.n_heads:
            raise ValueError(
                f"n_heads {self.n_heads} does not divide units {self.units}; change either"
            )
        return self
