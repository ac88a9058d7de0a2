import http.server
import io
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path, PureWindowsPath

import pandas as pd
import pytest
from upath import UPath

from gru4rec import ConfigError, DataError, MissingExtraError, MissingLogError, read_log
from gru4rec.addresses import check_local, is_remote, local_copy, locate, matching, reaching, show
from gru4rec.files import make_folders, written_whole

HOME = str(Path.home())
LOG = "SessionId,ItemId,Time\n1,7,100\n1,8,101\n"


@pytest.fixture
def folder() -> UPath:
    """A folder of its own in memory."""
    return UPath(f"memory:///{uuid.uuid4().hex}")


@pytest.fixture
def web() -> Iterator[Callable[[int, str], str]]:
    """Serves one answer; gives the address."""
    servers: list[http.server.HTTPServer] = []

    def serve(status: int, body: str) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body.encode())

            do_HEAD = do_PUT = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"127.0.0.1:{servers[-1].server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("model.pth", "model.pth"),
        ("/data/model.pth", "/data/model.pth"),
        ("C:/models/model.pth", "C:/models/model.pth"),
        ("2019-10-01 12:00/clicks.csv", "2019-10-01 12:00/clicks.csv"),
        ("a:b.csv", "a:b.csv"),
        ("data/s3://x", "data/s3:/x"),
        ("", "."),
        (Path("data/model.pth"), "data/model.pth"),
        (PureWindowsPath(r"C:\models"), r"C:\models"),
        ("~/log.csv", f"{HOME}/log.csv"),
        (Path("~/log.csv"), f"{HOME}/log.csv"),
        ("~other", "~other"),
        ("file:///home/me/a%20log.csv", "/home/me/a log.csv"),
        (UPath("/home/me/log.csv"), "/home/me/log.csv"),
        (UPath("file:///home/me/log.csv"), "/home/me/log.csv"),
    ],
)
def test_a_path_is_on_this_machine(path: str | Path | PureWindowsPath, expected: str) -> None:
    assert locate(path, DataError) == Path(expected)
    assert check_local(path, DataError, "why") == Path(expected)


@pytest.mark.parametrize(
    "address", ["s3://shop/a/m.pth", "memory://a/m.pth", "https://x.org/m.pth"]
)
def test_an_address_is_in_a_store(address: str) -> None:
    location = locate(address, DataError)
    assert is_remote(location)
    assert (str(location), location.name) == (address, "m.pth")
    assert locate(location, DataError) is location
    assert locate(address.replace("s3", "S3"), DataError) == location
    with pytest.raises(DataError, match=f"^{address} is not on this machine: it has no locks$"):
        check_local(address, DataError, "it has no locks")


def test_slashes_in_a_row_are_one() -> None:
    assert str(locate("memory://run//a///m.pth", DataError)) == "memory://run/a/m.pth"
    assert str(locate("memory:////run/", DataError)) == "memory://run"
    assert str(locate("https://x.org/a//b", DataError)) == "https://x.org/a//b"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("dbfs:/mnt/log", "dbfs:/mnt/log: files of Databricks are .* /Volumes/… or /dbfs/…"),
        ("nostore://x", "nostore://x: fsspec knows no store of the name nostore"),
        ("file://home/log", "file://home/log: an address of this machine begins with file:///"),
        (Path("s3://b/m.pth"), "s3:/b/m.pth is neither a path nor an address; .* with s3://"),
        (PureWindowsPath("s3://b"), "is neither a path nor an address"),
        (" s3://bucket/log.csv", " s3://bucket/log.csv is neither a path nor an address"),
        ("simplecache::s3://b/log", "simplecache::s3://b/log is neither a path nor an address"),
        ("https://me:secret@x.org/a?b=secret", "^https://…@x.org/a has a login"),
        ("s3://key:secret@bucket/a", "^s3://…@bucket/a has a login"),
        ("s3://key:secret/secret@bucket/a", "^s3://…@bucket/a has a login"),
        ("https://me:secret/secret@x.org/a", "^https://…@x.org/a has a login"),
        ("https://me:@secret/secret@x.org/a", "^https://…@x.org/a has a login"),
    ],
)
def test_what_is_no_address_is_refused(address: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        locate(address, DataError)
    assert "secret" not in str(caught.value)


def test_the_package_that_a_store_needs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def lack(protocol: str) -> None:
        raise ImportError

    monkeypatch.setattr("gru4rec.addresses.get_filesystem_class", lack)
    with pytest.raises(MissingExtraError, match=r"s3://b/a needs .* install the extra s3"):
        locate("s3://b/a", DataError)
    with pytest.raises(MissingExtraError, match=r"gs://b/a needs .* gcsfs"):
        locate("gs://b/a", DataError)


@pytest.mark.parametrize("path", [b"model.pth", 3, None, io.BytesIO()])
def test_what_is_no_path_is_refused(path: object) -> None:
    with pytest.raises(DataError, match=f"a path or .* expected, not {type(path).__name__}"):
        locate(path, DataError)


def test_an_address_is_shown_without_what_may_be_secret() -> None:
    assert show("https://me:it@host/log.csv?signature=it") == "https://…@host/log.csv"
    assert show("abfss://container@account.net/log") == "abfss://container@account.net/log"
    assert show("s3://bucket/log_?.csv") == "s3://bucket/log_?.csv"
    assert show("https://host:80/@me/a:b") == "https://host:80/@me/a:b"
    assert show("https://host/a?by=me@x.org") == "https://host/a"
    assert (
        show("s3://arn:aws:s3:eu:1:accesspoint/a/b@c") == "s3://arn:aws:s3:eu:1:accesspoint/a/b@c"
    )
    assert len(show("s3://bucket/" + "x" * 10_000)) < 250
    assert show("data/log?a=b") == "data/log?a=b"


def test_an_error_of_a_store_tells_no_secret() -> None:
    location = UPath("memory:///a", client_kwargs={"token": "hunter2", "endpoint": "http://x"})
    with (
        pytest.raises(OSError, match=r"^RuntimeError: … was refused at http://x$"),
        reaching(location),
    ):
        raise RuntimeError("hunter2 was refused at http://x\nmore")
    with pytest.raises(FileNotFoundError, match=r"^there is no memory://a$"), reaching(location):
        raise FileNotFoundError("hunter2")
    with pytest.raises(KeyError), reaching(Path("a")):
        raise KeyError


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("http://user:hunter2@x.org/", "http://user:hunter2@x.org/"),
        ("http://user:hunter2@x.org/", "hunter2"),
        ("http://user:hunter2%21@x.org/", "hunter2!"),
        ("https://x.org/?sv=2026&sig=hunter2%3D", "hunter2="),
        ("DefaultEndpointsProtocol=https;AccountKey=hunter2==;Endpoint=http://x.org/", "hunter2=="),
        (["hunter2"], "hunter2"),
        (({"token": "hunter2"},), "hunter2"),
    ],
)
def test_no_part_of_an_option_is_told(option: object, told: str) -> None:
    location = UPath("memory:///a", client_kwargs={"it": option})
    with pytest.raises(OSError, match=r"^RuntimeError: … was refused at http://x.org/$"):  # noqa: SIM117
        with reaching(location):
            raise RuntimeError(f"{told} was refused at http://x.org/")


def test_a_file_in_a_store_is_written_whole_or_not_at_all(folder: UPath) -> None:
    make_folders(folder)
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), written_whole(folder / "file") as temporary:  # noqa: PT012
            temporary.write_text("half")
            raise error
        assert not folder.exists()
    with written_whole(folder / "file") as temporary:
        temporary.write_text("whole")
        assert not folder.exists()
    assert not temporary.parent.exists()
    assert (folder / "file").read_text() == "whole"
    assert matching(f"{folder}/f*", folder) == [folder / "file"]
    with local_copy(folder / "file") as copy:
        assert (copy.name, copy.read_text()) == ("file", "whole")
    assert not copy.exists()


def test_where_half_a_file_could_be_seen_none_is_written() -> None:
    location = UPath("https://x.org/file")
    with pytest.raises(OSError, match=r"^files at https:// are only read"), written_whole(location):
        pytest.fail("not reached")
    from gru4rec import GRU4Rec

    log = pd.read_csv(io.StringIO(LOG))
    model = GRU4Rec(layers=[2], n_sample=2, n_epochs=1, device="cpu")
    with pytest.raises(ConfigError, match=r"^https://x.org/c: files at https:// are only read"):
        model.fit(log, checkpoint="https://x.org/c?sig=a")
    from gru4rec_kedro.options.parameters import Globals

    with pytest.raises(
        ConfigError, match=r"outputs: https://x\.org/file: files at https:// are only"
    ):
        Globals.parse({"outputs": "https://x.org/file"}, "globals.yml")


def test_a_log_of_the_web_is_read(web: Callable[[int, str], str]) -> None:
    host = web(200, LOG)
    for query in ("signature=secret", "cred=AK/2026/s3&sig=secret/cd=="):
        rows = read_log(f"http://{host}/log.csv?{query}").to_pandas()
        expected = pd.read_csv(io.StringIO(LOG), dtype=str)
        pd.testing.assert_frame_equal(rows, expected, check_dtype=False)


def test_a_damaged_log_of_the_web_is_named_without_its_signature(
    web: Callable[[int, str], str],
) -> None:
    host = web(200, "a,b\0")
    address = f"http://{host}/log.csv?cred=AK/2026/s3&sig=secret/cd=="
    with pytest.raises(DataError, match=r"log\.csv is no text") as caught:
        read_log(address)
    assert "secret" not in str(caught.value)
    with local_copy(locate(address, DataError)) as copy:
        assert copy.name == "log.csv"


def test_a_log_that_the_web_has_not_is_named_without_its_signature(
    web: Callable[[int, str], str],
) -> None:
    host = web(404, "")
    with pytest.raises(MissingLogError, match=f"^No file is at http://{host}/log.csv;"):
        read_log(f"http://{host}/log.csv?signature=secret")
    with pytest.raises(
        DataError, match=r"^Cannot read http://127.0.0.1:9/log.csv: Client"
    ) as caught:
        read_log("http://127.0.0.1:9/log.csv?signature=secret")
    assert "secret" not in str(caught.value)


def test_who_refuses_is_named_and_the_key_is_not(web: Callable[[int, str], str]) -> None:
    pytest.importorskip("s3fs", reason="the extra s3 is not installed")
    body = "<Error><Code>InvalidAccessKeyId</Code><Message>no key hunter2</Message></Error>"
    place = {"endpoint_url": f"http://{web(403, body)}", "region_name": "us-east-1"}
    options = {"key": "me", "secret": "hunter2", "client_kwargs": place}
    from gru4rec import GRU4Rec, ModelFileError

    location = UPath("s3://shop/model.pth", **options)
    with pytest.raises(
        ModelFileError, match=r"^cannot read the model s3://shop/model.pth: "
    ) as one:
        GRU4Rec.load(location, "cpu")
    with pytest.raises(DataError, match=r"^Cannot read s3://shop/model.pth: ") as other:
        read_log(location)
    for caught in (one, other):
        assert not re.search("hunter2", "".join(map(str, caught.value.args)))
