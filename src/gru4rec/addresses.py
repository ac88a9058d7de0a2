"""Where files are: on this machine, or in a store that fsspec knows, such as `s3://bucket/key`."""

import contextlib
import glob
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias, cast
from urllib.parse import unquote, urlsplit

from fsspec import get_filesystem_class
from fsspec.registry import known_implementations
from typing_extensions import TypeIs
from upath import UPath

from gru4rec.errors import GRU4RecError, MissingExtraError, shortened

# a file of a store is a UPath that is no os.PathLike
Location: TypeAlias = Path | UPath

# what an address begins with, also when pathlib made one slash of two; C:/ is a drive of Windows
_SCHEME = re.compile(r"\s*([A-Za-z][\w+.-]+):[:/\\]")
# where an upload is seen when it is complete and not before, so that a killed one leaves nothing
_WHOLE = {"abfs", "abfss", "az", "gcs", "gs", "memory", "s3", "s3a"}
# what stands before an @ there is a container, not a login
_CONTAINERS = {"abfs", "abfss"}
_WEB = {"http", "https"}
# a login before the host, also where a slash in its password seems to end the host; S3 has names
# of buckets such as arn:aws:s3:…
_LOGIN = re.compile(r"(?<=://)((?!arn:)[^/@?#\[]*:(?!\d*(?:[/?#]|$)).*|[^/?#]*)@")
# a text that tells nothing secret
_PLAIN = re.compile(r"https?|[A-Za-z][\w+.-]*://[^@?;=\s]*")


def locate(
    address: object, error: type[GRU4RecError], credentials: Mapping[str, Any] | None = None
) -> Location:
    """Turns a path or an address into what can be opened.

    Args:
        address: A path (`~/…` is in the home folder), `file:///…`, or an address such as
            `s3://bucket/key`; a `UPath` of a store is returned as it is, with its own options.
        error: What is raised.
        credentials: Options of the store's client in fsspec, such as `key` and `secret`. None
            leaves it to the client, which looks into the environment.

    Returns:
        A `Path` on this machine, or a `UPath` in a store.

    Raises:
        MissingExtraError: The client of the store is not installed.
    """
    if is_remote(address):
        return address
    if not isinstance(address, str | os.PathLike):
        raise error(f"a path or an address is expected, not {type(address).__name__}")
    text = str(address)
    scheme = _SCHEME.match(text)
    if scheme is None:
        return Path(expand_home(text))
    protocol = scheme[1].lower()
    _refuse_unusual(text, protocol, error)
    parts = urlsplit(text)
    if protocol == "file":
        return Path(unquote(parts.path))
    try:
        get_filesystem_class(protocol)
    except ValueError:
        raise error(f"{show(text)}: fsspec knows no store of the name {protocol}") from None
    except ImportError:
        advice = known_implementations[protocol]["err"]
        if protocol in {"s3", "s3a"}:
            advice = "install the extra s3: pip install -e '.[s3]' in the project's folder"
        raise MissingExtraError(
            f"{show(text)} needs a package that is not installed; {advice}"
        ) from None
    # without: what another process has written meanwhile would not be seen
    options = {"use_listings_cache": False, **(credentials or {})}
    place = text[len(protocol) + len("://") :]
    if protocol not in _WEB:
        # as in a path, and as Kedro's own datasets do: a//b were another place than a/b
        place = re.sub("/+", "/", place)
    return cast(UPath, UPath(f"{protocol}://{place}", **options))


def expand_home(path: str) -> str:
    """Writes `~/…` out: Kedro would take it for a folder of the project."""
    return os.path.expanduser(path) if path.startswith(("~/", "~\\")) else path


def _refuse_unusual(text: str, protocol: str, error: type[GRU4RecError]) -> None:
    if protocol == "dbfs":
        raise error(
            f"{show(text)}: files of Databricks are read and written by their paths there: "
            "/Volumes/… or /dbfs/…"
        )
    if text != text.strip() or not text.lower().startswith(f"{protocol}://"):
        raise error(
            f"{show(text)} is neither a path nor an address; write an address as text that begins "
            f"with {protocol}:// (a Path loses a slash, and addresses are not chained)"
        )
    host = urlsplit(text).netloc
    if protocol == "file" and host:
        raise error(f"{show(text)}: an address of this machine begins with file:/// and the path")
    if _LOGIN.search(text) and protocol not in _CONTAINERS:
        raise error(
            f"{show(text)} has a login, which logs and reports would show; leave it out, and give "
            "it as credentials of the catalog entry or as the store's variables of the environment"
        )


def check_local(address: object, error: type[GRU4RecError], reason: str) -> Path:
    """Refuses what is not on this machine.

    Args:
        address: A path or an address.
        error: What is raised.
        reason: Why it must be on this machine, and what to do.
    """
    location = locate(address, error)
    if is_remote(location):
        raise error(f"{show(location)} is not on this machine: {reason}")
    return location


def is_remote(location: object) -> TypeIs[UPath]:
    """Tells what is in a store from what is on this machine."""
    return isinstance(location, UPath) and not isinstance(location, os.PathLike)


def brief(location: Location) -> str:
    """What log lines call a location: a path from here, or an address."""
    return show(location) if is_remote(location) else os.path.relpath(location)


def is_web(location: UPath) -> bool:
    """Tells a server of the web, which lists no folders, from other stores."""
    return location.protocol in _WEB


def path_of(location: Location) -> str:
    """A path without the query of an address of the web, which may have slashes and dots."""
    if is_remote(location):
        return location.path.partition("?")[0] if is_web(location) else location.path
    return str(location)


def show(address: object) -> str:
    """What messages call a path or an address: with neither login nor query, which may sign it."""
    text = str(address)
    scheme = _SCHEME.match(text)
    if scheme is None:
        return text
    if scheme[1].lower() not in _CONTAINERS:
        text = _LOGIN.sub("…@", text)
    return shortened(re.sub(r"\?.*=.*", "", text))


@contextlib.contextmanager
def reaching(location: Location) -> Iterator[None]:
    """Makes of all that a store's client raises one kind of error, which tells no secret.

    Raises:
        FileNotFoundError: There is no such file.
        OSError: The store cannot be reached, or refuses.
    """
    try:
        yield
    except GRU4RecError:
        raise
    except Exception as error:  # each client has its own
        if not is_remote(location):
            raise
        # a server of the web that cannot be reached is one cause
        if isinstance(error, FileNotFoundError) and not isinstance(error.__cause__, OSError):
            raise FileNotFoundError(f"there is no {show(location)}") from None
        cause = error.__cause__ or error
        reason = _without_secrets(str(cause).partition("\n")[0], location)
        raise OSError(f"{type(cause).__name__}: {shortened(reason)}") from None


def _without_secrets(text: str, location: Location) -> str:
    options = location.storage_options if isinstance(location, UPath) else {}
    text = text.replace(str(location), show(location))
    for secret in _texts_in(options):
        text = text.replace(secret, "…")
    return text


def _texts_in(options: object) -> Iterator[str]:
    """Gives the texts among options but for plain addresses, longest first: all may be secret."""
    if isinstance(options, Mapping):
        options = list(options.values())
    if isinstance(options, list | tuple):
        texts = {text for value in options for text in _texts_in(value)}
        yield from sorted(texts, key=len, reverse=True)
    elif isinstance(options, str) and len(options) > 3 and not _PLAIN.fullmatch(options):
        # of an address and of a connection string a message may tell a part
        login = options.partition("://")[2].rpartition("@")[0]
        values = re.findall(r"[\w.-]=([^;&]+)", options)
        parts = list(_texts_in([*login.split(":", 1), *values])) if login or values else []
        for text in (options, *parts):
            yield from {text, unquote(text)}


def exists(location: Location) -> bool:
    """Whether there is a file or a folder.

    Raises:
        OSError: The store cannot be reached, or refuses.
    """
    with reaching(location):
        return location.exists()


def files_below(folder: Location) -> list[Location]:
    """Returns all files in a folder and its folders, in order of their names."""
    if is_remote(folder):
        with reaching(folder):
            return [_beside(folder, name) for name in sorted(folder.fs.find(folder.path))]
    return [file for file in sorted(folder.rglob("*")) if file.is_file()]


def matching(pattern: str, beside: Location) -> list[Location]:
    """Returns the files and folders that a pattern such as `logs/*.csv` stands for, in order.

    Args:
        pattern: A path or an address.
        beside: A location of the same store.
    """
    if is_remote(beside):
        with reaching(beside):
            return [_beside(beside, name) for name in sorted(beside.fs.glob(pattern))]
    return [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]


def _beside(location: UPath, name: str) -> UPath:
    """A file of the same store by the name that its client gives."""
    # its client may say abfs:// where the address says abfss://, and paths of both are not equal
    address = name if "://" in name else f"{location.protocol}://{name}"
    return cast(UPath, UPath(address, **location.storage_options))


@contextlib.contextmanager
def local_copy(location: Location) -> Iterator[Path]:
    """Gives the path of a file; of one in a store, that of a copy which goes at the block's end.

    Raises:
        OSError: The store cannot be reached, or has no such file.
    """
    if not is_remote(location):
        yield location
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / (PurePosixPath(path_of(location)).name or "file")
        fetch(location, copy)
        yield copy


def fetch(location: UPath, copy: Path) -> None:
    """Copies a file of a store to this machine.

    Raises:
        OSError: The store cannot be reached, or has no such file.
    """
    with reaching(location):
        location.fs.get_file(location.path, str(copy))


def why_read_only(location: Location) -> str | None:
    """Says why files are never written there; None where they are."""
    if not is_remote(location) or location.protocol in _WHOLE:
        return None
    return (
        f"files at {location.protocol}:// are only read, as half a file could be seen there while "
        f"it is written; written are files on this machine and at {', '.join(sorted(_WHOLE))}"
    )


def locate_writable(
    address: object, error: type[GRU4RecError], credentials: Mapping[str, Any] | None = None
) -> Location:
    """As `locate`, for what will be written; also raises `error` where files are only read."""
    location = locate(address, error, credentials)
    if reason := why_read_only(location):
        raise error(f"{show(location)}: {reason}")
    return location


@contextlib.contextmanager
def uploaded(location: UPath) -> Iterator[Path]:
    """Gives a local path; what is written there is uploaded whole at the block's end.

    Where the block raises, or the process is killed before the upload is complete, the store has
    what it had.

    Raises:
        OSError: The store cannot be reached, refuses, or would show half a file.
    """
    if reason := why_read_only(location):
        raise OSError(reason)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        temporary = Path(folder) / location.name
        yield temporary
        try:
            with reaching(location):
                location.fs.put_file(str(temporary), location.path)
        except FileNotFoundError:
            place = location.path.lstrip("/").partition("/")[0]
            raise OSError(f"there is no bucket or container {place!r}") from None
