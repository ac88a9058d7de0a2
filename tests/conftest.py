"""What all tests share: one thread each, and examples that are the same on every run."""

import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings
from tests.object_store import ObjectStore, running_store

torch.set_num_threads(1)  # pytest-xdist has a process for each core already
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # kernels of the engine `fused` run on the CPU, slowly

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("repeatable")
# `make soak`: many more examples, and others each time
settings.register_profile(
    "soak", settings.get_profile("repeatable"), derandomize=False, max_examples=2500
)


def _assert_same(one: Any, other: Any) -> None:
    """Contents of model files are equal, tensors to the last bit."""
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            _assert_same(one[name], other[name])
    else:
        assert one == other


@pytest.fixture(scope="session")
def assert_same() -> Callable[[Any, Any], None]:
    return _assert_same


@contextmanager
def _torch_threads(n: int) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    yield n
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def browser() -> Any:
    """A browser without a window: the class `Page` of docs/browser.py."""
    spec = spec_from_file_location("browser", Path(__file__).parents[1] / "docs/browser.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    if module.CHROMIUM is None:
        pytest.skip("chromium is not installed")
    return module.Page


@pytest.fixture
def one_thread() -> Iterator[int]:
    """One thread of torch."""
    with _torch_threads(1) as n:
        yield n


@pytest.fixture
def two_threads() -> Iterator[int]:
    """Two threads of torch."""
    with _torch_threads(2) as n:
        yield n


@pytest.fixture(params=[1, 2], ids="{}-torch-threads".format)
def torch_threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """One thread of torch, then two."""
    with _torch_threads(request.param) as n:
        yield n


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs Spark, which is in files whose names say so; skips what needs a GPU."""
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="there is no GPU here"))
        if "spark" in getattr(item, "fixturenames", ()):
            assert "spark" in item.path.name, f"{item.path} needs spark in its name"
            item.add_marker(pytest.mark.spark)
            # pyspark leaves its sockets to the garbage collector
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives a file to one worker, whose fixtures are then made once, and all of Spark to one."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return "spark" if "spark" in file.rpartition("/")[2] else file

    config.option.loadscopereorder = False  # the long ones of end_to_end come first as it is
    return Scheduling(config, log)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A small Spark session in New York, as one of a user who thinks of nothing."""
    sql = pytest.importorskip("pyspark.sql", reason="no pyspark: pip install -e '.[spark]'")
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        pytest.skip("no Java: Debian has openjdk-17-jre-headless")
    options = {
        "spark.master": "local[2]",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": "1g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
        "spark.sql.session.timeZone": "America/New_York",
        "spark.sql.ansi.enabled": "false",
    }
    builder = sql.SparkSession.builder.appName("tests")
    for name, value in options.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.pythonExec = sys.executable  # not the first python3 of the PATH
    yield session
    session.stop()
    gc.collect()


@pytest.fixture
def spark_backend(spark: Any) -> Any:
    """Ibis on a session beside that of `spark`."""
    from gru4rec.preparation import configure_spark, spark_connection

    configure_spark({})
    return spark_connection()


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """A real S3-compatible server with a bucket."""
    with running_store() as store:
        yield store
