"""What a user says of a text file that does not tell itself."""

from typing import Annotated

from pydantic import Field, field_validator

from gru4rec.config import Section

WHITESPACE = r"\s+"
_LONGEST_DELIMITER = 4  # bytes, of DuckDB


class TextOptions(Section):
    r"""How a text file is to be read.

    Attributes:
        delimiter: What separates the columns: up to four bytes, or `\s+` for runs of blanks and
            tabs; None finds out by the first lines.
        column_names: Names of all columns, for a file without a header.
        skip_lines: Lines before the header, or before the first row where there is none.
        comment: Lines that begin with it are left out; None for none.
    """

    delimiter: str | None = None
    column_names: Annotated[list[str], Field(min_length=1)] | None = None
    skip_lines: Annotated[int, Field(ge=0)] = 0
    comment: str | None = None

    @field_validator("delimiter", mode="before")
    @classmethod
    def _possible_delimiter(cls, value: object) -> object:
        if not isinstance(value, str) or value == WHITESPACE:
            return value
        if not value:
            raise ValueError("empty text separates nothing; leave it out to have it found out")
        if value == r"\t":  # YAML keeps the backslash outside double quotes
            return "\t"
        if len(value.encode()) > _LONGEST_DELIMITER:
            raise ValueError(rf"a delimiter has up to {_LONGEST_DELIMITER} bytes, or is \s+")
        if set(value) & set('"\r\n\0'):
            raise ValueError("a delimiter has no quotes, line ends or NULs")
        return value
