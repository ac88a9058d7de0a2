"""What Spark says, in one line."""

import re

# what a traceback of Python ends with, after its indented lines
_RAISED = re.compile(r"Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*(\S.*)")
_CAUSE = re.compile(r"(Caused by)?: (org|java|scala)\.[\w.$]+: ")


def first_line(error: BaseException) -> str:
    """Keeps of pages of Py4J what went wrong: the innermost cause that Spark names, in a line."""
    said = str(error)
    if raised := _RAISED.findall(said):
        return f"{_without_package(raised[-1])} (in Python on a worker of Spark)"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # "An error occurred while calling o1.x." is followed by what did
    causes = [line for line in lines if _CAUSE.match(line)]
    line = causes[-1] if causes else next(iter(lines), type(error).__name__)
    return _without_package(line)


def _without_package(line: str) -> str:
    return re.sub(r"^(Caused by)?:? ?([\w$]+\.)+([\w$]+): ", r"\3: ", line).rstrip(".")


def say_of_spark(error: BaseException) -> str | None:
    """Says in a line what Spark says in pages; None where the error is not of Spark."""
    kinds = (f"{kind.__module__}." for kind in type(error).__mro__)
    return first_line(error) if any(k.startswith(("pyspark.", "py4j.")) for k in kinds) else None
