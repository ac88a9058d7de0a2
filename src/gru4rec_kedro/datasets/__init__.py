"""Catalog datasets of the project, and what they are built of."""

from gru4rec_kedro.datasets.events import EventsDataset
from gru4rec_kedro.datasets.item_list import ItemListDataset
from gru4rec_kedro.datasets.items import ItemsDataset
from gru4rec_kedro.datasets.metrics import MetricsDataset
from gru4rec_kedro.datasets.metrics_history import MetricsHistoryDataset
from gru4rec_kedro.datasets.model import GRU4RecDataset, ModelPlaceDataset
from gru4rec_kedro.datasets.parts import Part, Parts, PartsDataset
from gru4rec_kedro.datasets.place import (
    CheckpointDataset,
    LocalFolderDataset,
    PlaceDataset,
)
from gru4rec_kedro.datasets.raw_log import RawLogDataset
from gru4rec_kedro.datasets.spark_table import SparkTableDataset
from gru4rec_kedro.datasets.study import StudyDataset
from gru4rec_kedro.datasets.written_whole import (
    CSVDataset,
    JSONDataset,
    OptionalCSVDataset,
    OptionalJSONDataset,
    OptionalParquetDataset,
    PageDataset,
    ParquetDataset,
    PlotlyDataset,
    TextDataset,
    YAMLDataset,
)

__all__ = [
    "CSVDataset",
    "CheckpointDataset",
    "EventsDataset",
    "GRU4RecDataset",
    "ItemListDataset",
    "ItemsDataset",
    "JSONDataset",
    "LocalFolderDataset",
    "MetricsDataset",
    "MetricsHistoryDataset",
    "ModelPlaceDataset",
    "OptionalCSVDataset",
    "OptionalJSONDataset",
    "OptionalParquetDataset",
    "PageDataset",
    "ParquetDataset",
    "Part",
    "Parts",
    "PartsDataset",
    "PlaceDataset",
    "PlotlyDataset",
    "RawLogDataset",
    "SparkTableDataset",
    "StudyDataset",
    "TextDataset",
    "YAMLDataset",
]
