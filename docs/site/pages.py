"""What `mkdocs` adds to the pages of docs/: a home page, the library's names, and formulas."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import gru4rec

ROOT = Path(__file__).parents[2]
# pages of the repository that stand outside of docs/, by their names on the site
OUTSIDE = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
}
# what the library exports as packages: their public names
PACKAGES = ("preparation", "evaluation", "baselines", "serving")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are not files of docs/."""
    for name, source in OUTSIDE.items():
        text = (ROOT / source).read_text()
        files.append(File.generated(config, name, content=re.sub(r"\]\(docs/", "](", text)))
    files.append(File.generated(config, "api.md", content="\n".join(_api())))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Leads links to where the site has the pages, and turns formulas into MathML.

    Browsers draw that themselves, so no script and no font has to be loaded.
    """
    for name, source in OUTSIDE.items():
        markdown = re.sub(rf"\]\((\.\./)?{re.escape(source)}(#|\))", rf"]({name}\2", markdown)
    if page.file.src_uri != "algorithm.md":  # elsewhere a dollar is a dollar
        return markdown
    markdown = re.sub(r"\$\$(.+?)\$\$", _display, markdown, flags=re.DOTALL)
    return re.sub(r"\$([^$\n]+)\$", _inline, markdown)


def _inline(formula: re.Match[str]) -> str:
    # <math> at the beginning of a line would be a paragraph of its own
    return f"<span>{convert(formula[1])}</span>"


def _display(formula: re.Match[str]) -> str:
    return convert(formula[1].strip(), display="block")


def _api() -> Iterator[str]:
    """The page of all public names: what stands at the top of `gru4rec`, then its packages."""
    yield "# The library's names\n\nWhat `import gru4rec` offers, each loaded on first use.\n"
    top = [name for name in gru4rec.__all__ if callable(getattr(gru4rec, name))]
    errors = [name for name in top if _is_error(getattr(gru4rec, name))]
    for name in [name for name in top if name not in errors]:
        yield from _entry(getattr(gru4rec, name))
    yield "# Errors\n"
    for name in errors:
        yield from _entry(getattr(gru4rec, name))
    for package in PACKAGES:
        module = getattr(gru4rec, package)
        yield f"# gru4rec.{package}\n"
        for name in module.__all__:
            thing = getattr(module, name)
            if name not in top and callable(thing):
                yield from _entry(thing)


def _is_error(thing: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, Exception)


def _entry(thing: Any) -> Iterator[str]:
    yield f"::: {thing.__module__}.{thing.__qualname__}\n"
