"""Model files are zip archives; this seals them, and checks them before anything is read."""

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from io import BufferedRandom, BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor
from typing_extensions import TypeIs
from upath import UPath

from gru4rec.addresses import Location, local_copy, locate, show
from gru4rec.errors import ModelFileError

# a file, on this machine or in a store, or a stream of bytes
Place = str | os.PathLike[str] | Location | BinaryIO

_SEAL = b"sha256:"
_SEAL_LENGTH = len(_SEAL) + 64

# what torch.save writes besides the pickled structure and the numbers
_MEMBER = re.compile(
    r"[^/]+/(data\.pkl|byteorder|version|data/\d+|\.data/serialization_id|"
    r"\.format_version|\.storage_alignment)"
)


def seal(file: BufferedRandom | BytesIO) -> None:
    """Adds a checksum over the whole file as the comment of the archive, which `torch` skips.

    Args:
        file: An archive without a comment, open for reading and writing.
    """
    file.seek(-2, 2)  # an archive ends with the length of its comment
    file.write(_SEAL_LENGTH.to_bytes(2, "little"))
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0, 2)
    file.write(_SEAL + digest.encode())


@contextlib.contextmanager
def as_file(source: Place) -> Iterator[Path]:
    """Gives the path of a file; of a stream or a store, that of a copy, which goes at the end.

    Raises:
        FileNotFoundError: The store has no such file.
        ModelFileError: It is neither a path or an address nor a stream, or cannot be read.
    """
    if is_place(source):
        location = locate(source, ModelFileError)
        with contextlib.ExitStack() as stack:
            try:
                path = stack.enter_context(local_copy(location))
            except FileNotFoundError:
                raise
            except OSError as error:
                raise ModelFileError(f"cannot read the model {show(location)}: {error}") from None
            yield path
        return
    # only from a file does torch read tensors without believing what they say of their size
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / "model.pth"
        try:
            with copy.open("wb") as file:
                shutil.copyfileobj(source, file)
        except (OSError, ValueError, TypeError) as error:  # such as one that is closed, or of text
            raise ModelFileError(f"cannot read the model from {name_of(source)}: {error}") from None
        yield copy


def is_place(place: Place) -> TypeIs[str | os.PathLike[str] | UPath]:
    """Tells a path or an address from a stream."""
    return not hasattr(place, "read") and not hasattr(place, "write")


def write_stream(content: BytesIO, stream: BinaryIO) -> None:
    """Writes to a stream.

    Raises:
        ModelFileError: It cannot be written.
    """
    left = content.getbuffer()
    try:
        while left:  # without a buffer it may take less than it is given
            left = left[stream.write(left) or len(left) :]
    except (OSError, ValueError, TypeError) as error:
        raise ModelFileError(f"cannot write the model to {name_of(stream)}: {error}") from None


def name_of(place: Place) -> str:
    """What messages call a file or a stream."""
    if is_place(place):
        return show(place)
    return f"the stream {str(getattr(place, 'name', type(place).__name__))[:200]}"


def check_archive(path: str | Path) -> None:
    """Checks that a file is whole and that reading it takes no more memory than its size.

    Files from before there were checksums are taken without.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no archive as `torch.save` writes them, or not what was written.
        zipfile.BadZipFile: It is no archive, or is cut off.
    """
    with Path(path).open("rb") as file, zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        size = file.seek(0, 2)
        if archive.comment:
            _check_seal(file, archive.comment, size)
    names = {member.filename for member in members}
    if len(names) < len(members):
        raise ValueError("two of its members have the same name")
    foreign = [name for name in names if not _MEMBER.fullmatch(name)]
    if foreign:
        raise ValueError(f"it holds {min(foreign)[:80]!r}, which is no part of a model file")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("it is compressed, which model files are not")
    if sum(max(member.file_size, member.compress_size) for member in members) > size:
        raise ValueError("its members claim to be larger than the file")


def own_tensors(content: Any, device: torch.device, room: int) -> Any:
    """Copies what `torch.load` mapped from a file, after a check that it is no larger than that.

    Args:
        content: Tensors in dictionaries and lists, and other values, which stay as they are.
        device: Where the copies go.
        room: Size of the file, bytes.

    Raises:
        ValueError: A tensor repeats numbers, together they are larger than the file, or a part is
            there more than once.
    """
    for name, tensor in _tensors_in(content, "", set()):
        if not tensor.is_contiguous():
            raise ValueError(f"its tensor {name} is not a plain array")
        room -= tensor.numel() * tensor.element_size()
        if room < 0:
            raise ValueError("its tensors claim to be larger than the file")
    return _copied(content, device)


def _check_seal(file: BinaryIO, comment: bytes, size: int) -> None:
    file.seek(0)
    digest = hashlib.sha256()
    left = size - len(comment)
    while left > 0 and (block := file.read(min(left, 1 << 20))):
        digest.update(block)
        left -= len(block)
    if comment != _SEAL + digest.hexdigest().encode():
        raise ValueError("its checksum is another than when it was written")


def _tensors_in(content: Any, name: str, seen: set[int]) -> Iterator[tuple[str, Tensor]]:
    if isinstance(content, Tensor):
        yield name, content
    elif isinstance(content, dict | list | tuple) and content:
        # a few parts that hold each other many times over would never be walked to the end
        if id(content) in seen:
            raise ValueError(f"its part {name} is there twice")
        seen.add(id(content))
        named = content.items() if isinstance(content, dict) else ((name, c) for c in content)
        for key, part in named:
            yield from _tensors_in(part, str(key)[:80], seen)


def _copied(content: Any, device: torch.device) -> Any:
    if isinstance(content, Tensor):
        return content.to(device, copy=True)
    if isinstance(content, dict):
        return {name: _copied(part, device) for name, part in content.items()}
    if isinstance(content, list | tuple):
        return type(content)(_copied(part, device) for part in content)
    return content
