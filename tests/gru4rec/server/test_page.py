"""The page to try the model, in a browser without a window."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from gru4rec import GRU4Rec

# the page asks for one item of its address after the other
SHOWN = """new Promise(done => {
    const look = () => document.querySelectorAll("#session li").length === 3;
    const again = () => look() ? done(document.documentElement.outerHTML) : setTimeout(again, 50);
    again();
})"""


class Texts(HTMLParser):
    """The texts in the lists of a page, by the id of the list."""

    def __init__(self, dom: str) -> None:
        super().__init__()
        self._list, self.of = "", {"session": "", "items": ""}
        self.feed(dom)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._list = dict(attrs).get("id") or "" if tag == "ol" else self._list

    def handle_endtag(self, tag: str) -> None:
        self._list = "" if tag == "ol" else self._list

    def handle_data(self, data: str) -> None:
        if self._list:
            self.of[self._list] += f"{data}|"


@pytest.mark.parametrize("kind", ["integers", "text"])
def test_the_page_shows_the_session_and_what_comes_next(
    fit: Callable[..., GRU4Rec],
    serve: Callable[..., Any],
    browser: Any,
    tmp_path: Path,
    kind: str,
) -> None:
    gru = fit(as_text=kind == "text")
    gru.save(tmp_path / "model.pth")
    first, second = gru.vocabulary.ids[:2].tolist()
    stranger = "<b>stranger" if kind == "text" else 2**60 + 1
    (tmp_path / "titles.txt").write_text(f"{first}\t<img src=x onerror=alert(1)>\n")
    server = serve("--titles", str(tmp_path / "titles.txt"))
    url = f"{server.address}/#{first},{stranger},{second}"
    with browser() as tab:
        tab.open(url)
        dom = tab.run(SHOWN)

    texts = Texts(dom)
    best = gru.recommend([[first, second]], k=10)
    title = {first: "<img src=x onerror=alert(1)>"}
    clicks = f"{title[first]}|×|{stranger}|unknown, skipped|×|{second}|×|"
    assert texts.of["session"] in {clicks, clicks.replace(title[first], str(first))}
    shown = [
        re.sub(r"^\d+\|", "", row)
        for row in re.findall(r"\d+\|(?:new|[↑↓=][^|]*)\|[^|]*\|[^|]*", texts.of["items"])
    ]
    expected = [
        f"{title.get(item, item)}|{score:.3f}"
        for item, score in zip(best["item"], best["score"], strict=True)
    ]
    assert [row.partition("|")[2] for row in shown] == expected
    assert not re.search(r"<img|<b>", dom.partition("</script>")[0].partition("<body>")[2])


def test_the_page_needs_no_network() -> None:
    page = resources.files("gru4rec.server").joinpath("page.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]|@import|src=", page)
