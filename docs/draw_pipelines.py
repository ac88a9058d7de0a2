"""Draws docs/pipelines.png and docs/figures/pipeline_NAME.png: every pipeline in kedro-viz.

Run it from the project folder after `make viz-build`: `.venv/bin/python docs/draw_pipelines.py`.
It needs Chromium and the extra `serve`. Pipelines may be named: the others keep their pictures.
"""

import sys
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from browser import Clip, Page

_FOLDER = Path(__file__).parent
_SITE = Path("build")
_DEFAULT = "__default__"
# so much is in these that their blocks stay closed
_CLOSED = (_DEFAULT, "modelling")
_PANELS = 480  # the width that kedro-viz keeps for them
_LAYERS = 190  # room beside the graph for the names of the layers
_MARGIN = 24
_WIDTH = 1400  # of a picture, in pixels, at most
_SETTINGS = """localStorage.setItem("KedroViz", JSON.stringify({theme: "light"}))"""
# the graph alone: no panels, no hints, no version
_HIDE = """{
    const style = document.createElement("style");
    style.textContent = `.pipeline-sidebar, .pipeline-global-toolbar, .pipeline-primary-toolbar,
        .pipeline-minimap, .feature-hints, .feature-hints__highlight,
        .update-reminder-version-tag, .pipeline-toolbar, .pipeline-metadata,
        .pipeline-metadata-code {display: none !important}`;
    document.head.append(style);
}"""
_SIZE = """{
    const graph = document.querySelector("#zoom-wrapper")?.getBBox();
    graph && [graph.width, graph.height]
}"""
# left, top, right and bottom of what is drawn
_EDGES = """{
    const drawn = ".pipeline-node, .pipeline-edge, .pipeline-layer-name";
    const boxes = [...document.querySelectorAll(drawn)].map(part => part.getBoundingClientRect());
    const of = side => boxes.map(box => box[side]);
    [Math.min(...of("left")), Math.min(...of("top")),
        Math.max(...of("right")), Math.max(...of("bottom"))]
}"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""


def main(names: list[str]) -> None:
    """Draws these pipelines, or all of them."""
    graphs = _SITE / "api/pipelines"
    if not graphs.is_dir():
        sys.exit(f"there is no {graphs}: run make viz-build first")
    handler = partial(_Quiet, directory=str(_SITE))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, Page() as page:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        page.open(f"{address}/favicon.ico")
        page.run(_SETTINGS)
        for name in names or sorted(path.name for path in graphs.iterdir()):
            picture = "pipelines" if name == _DEFAULT else f"figures/pipeline_{name}"
            file = _FOLDER / f"{picture}.png"
            file.write_bytes(_draw(page, f"{address}/", name))
            print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")
        server.shutdown()


def _draw(page: Page, address: str, name: str) -> bytes:
    expanded = "false" if name in _CLOSED else "true"
    url = f"{address}?pid={name}&expandAllPipelines={expanded}"
    page.open(url)
    width, height = _when_settled(page, _SIZE)
    # a window that kedro-viz fills with the graph at its own size
    page.open(url, round(_PANELS + width + 2 * _LAYERS), round(height + 4 * _MARGIN))
    page.run(_HIDE)
    left, top, right, bottom = _when_settled(page, _EDGES)
    size = right - left + 2 * _MARGIN, bottom - top + 2 * _MARGIN
    clip = Clip(left - _MARGIN, top - _MARGIN, *size)
    return page.picture(clip=clip, scale=min(2, _WIDTH / clip.width))


def _when_settled(page: Page, script: str) -> list[float]:
    """Runs a script until it comes to the same numbers twice: graphs are laid out, then moved."""
    before: list[float] | None = None
    for _ in range(100):
        time.sleep(0.5)
        now: list[float] | None = page.run(script)
        if now and now == before and now[-1]:  # nothing, or no height, before it is drawn
            return now
        before = now
    raise TimeoutError(f"kedro-viz draws no graph: {before}")


if __name__ == "__main__":
    main(sys.argv[1:])
