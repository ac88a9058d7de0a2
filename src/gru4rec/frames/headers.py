"""Names of columns that are no names, as a file is read without its true header."""

import re
from collections.abc import Collection

_VALUE = re.compile(
    r"\s*([-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?|\d{4}-\d{2}-\d{2}([T ].*)?)\s*", re.IGNORECASE
)


def hint_at_header(names: Collection[object]) -> str:
    """Says what to do where names look like no header; empty text where they may be one."""
    texts = [str(name) for name in names]
    # 0, 1, 2, … are what pandas calls columns without names
    if texts == [str(place) for place in range(len(texts))]:
        return ""
    if any(_VALUE.fullmatch(text) for text in texts):
        return (
            f"The first line ({', '.join(texts)[:80]}) looks like data. If there is no header, "
            "name all columns in their order: column_names of read_log or of the catalog entry "
            "(names of pandas.read_csv)"
        )
    if len(texts) == 1:
        return (
            "If a text file has more columns, set delimiter, or skip_lines where its header is not "
            "the first line"
        )
    return ""
