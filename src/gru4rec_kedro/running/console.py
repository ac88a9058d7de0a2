"""Log lines that are readable at 80 columns."""

import logging
import textwrap

from gru4rec_kedro.kedro_internals import ADVICE_TO_REPEAT

_WIDTH = 80
_INDENT = " " * len("12:34:56 WARNING ")


class WrappedFormatter(logging.Formatter):
    """Breaks the long lines of another formatter between words.

    Tracebacks and what has no spaces, such as paths, stay whole.

    Args:
        plain: Formats a message and its time.
    """

    def __init__(self, plain: logging.Formatter) -> None:
        super().__init__(datefmt=plain.datefmt)
        self._plain = plain

    def usesTime(self) -> bool:  # noqa: N802  (logging's names)
        """Whether the other formatter shows the time."""
        return self._plain.usesTime()

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Returns the line or lines of a message."""
        lines = self._plain.formatMessage(record).splitlines()
        return "\n".join(line for long in lines for line in _wrap(long))


def _is_good_advice(record: logging.LogRecord) -> bool:
    # after a mistake the same command would only meet it again
    return not record.getMessage().startswith(ADVICE_TO_REPEAT)


def wrap_log_lines() -> None:
    """Gives the console handler of `conf/logging.yml`, where Kedro refuses other classes, this.

    The handler also leaves out what Kedro's runners advise where no node ran.
    """
    for handler in logging.getLogger().handlers:
        plain = handler.formatter
        # not for handlers of other kinds, such as those of notebooks and tests
        if type(handler) is logging.StreamHandler and type(plain) is logging.Formatter:
            handler.setFormatter(WrappedFormatter(plain))
            handler.addFilter(_is_good_advice)


def _wrap(line: str) -> list[str]:
    if len(line) <= _WIDTH:
        return [line]
    return textwrap.wrap(
        line,
        _WIDTH,
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
