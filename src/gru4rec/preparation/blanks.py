"""Blanks around text: those of ASCII, and U+00A0, which spreadsheets and web pages write."""

from typing import cast

import ibis.expr.types as ir

from gru4rec.preparation.engine.functions import strip_blanks

_NO_BREAK = "\u00a0"


def begins_with_blank(text: ir.StringColumn) -> ir.BooleanColumn:
    """True where the first character is a blank, or there is none."""
    return cast(ir.BooleanColumn, (text.ascii_str() <= ord(" ")) | text.startswith(_NO_BREAK))


def has_blanks(text: ir.StringColumn) -> ir.BooleanColumn:
    """True where text begins or ends with a blank, or is empty."""
    return begins_with_blank(text) | (text.right(1) <= " ") | text.endswith(_NO_BREAK)


def without_blanks(text: ir.StringColumn) -> ir.StringColumn:
    """Takes the blanks around text away."""
    return strip_blanks(text)
