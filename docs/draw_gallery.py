"""Draws docs/report.png and the pictures of docs/gallery.md, of the pages that a run has made.

Run it from the project folder after `kedro run`: `.venv/bin/python docs/draw_gallery.py`. It needs
Chromium and the extra `serve`. Another folder of reports may be named.
"""

import sys
from pathlib import Path
from typing import NamedTuple

from browser import Page

_FOLDER = Path(__file__).parent


class Shot(NamedTuple):
    """One picture: a page, what stands at the top of the window, and the window."""

    name: str
    heading: str | None = None
    width: int = 1000
    height: int = 760
    scheme: str = "light"


_SHOTS = (
    Shot("report", width=1280, height=900),
    Shot("gallery_baselines", "Beside simple baselines"),
    Shot("gallery_examples", "Example sessions", height=620, scheme="dark"),
    Shot("gallery_phone", None, 400, 760, "dark"),
)
_SCROLL = """[...document.querySelectorAll('h2')]
    .find(heading => heading.textContent === {heading!r}).scrollIntoView()"""
# figures are drawn anew where the width is another
_SETTLED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def main(reports: Path) -> None:
    """Draws all of them."""
    report = reports / "report.html"
    if not report.is_file():
        sys.exit(f"there is no {report}: run the project first, with kedro run")
    with Page() as page:
        for shot in _SHOTS:
            page.open(report.resolve().as_uri(), shot.width, shot.height, shot.scheme)
            if shot.heading:
                page.run(_SCROLL.format(heading=shot.heading))
            page.run(_SETTLED)
            file = _FOLDER / f"{shot.name}.png"
            file.write_bytes(page.picture())
            print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "data/08_reporting"))
