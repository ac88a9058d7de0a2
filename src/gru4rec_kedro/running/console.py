"""Log lines that are readable at 80 columns."""

import logging
import textwrap

_WIDTH = 80
_INDENT = " " * len("12:34:56 WARNING ")
# after a mistake that the same command would only meet again
_BAD_ADVICE = "No nodes ran. Repeat the previous command"


class WrappedFormatter(logging.Formatter):
    """Breaks long lines between words.

    Tracebacks and what has no spaces, such as paths, stay whole.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (logging's name)
        """Returns the line or lines of a message."""
        lines = super().formatMessage(record).splitlines()
        return "\n".join(line for long in lines for line in _wrap(long))


def _is_good_advice(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_BAD_ADVICE)


def wrap_log_lines() -> None:
    """Gives the console handler of `conf/logging.yml`, where Kedro refuses other classes, this.

    The handler also leaves out what Kedro's runners advise where no node ran.
    """
    for handler in logging.getLogger().handlers:
        plain = handler.formatter
        # not for handlers of other kinds, such as those of notebooks and tests
        if type(handler) is logging.StreamHandler and type(plain) is logging.Formatter:
            handler.setFormatter(WrappedFormatter(plain._fmt, plain.datefmt))
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
