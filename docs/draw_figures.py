"""Draws the figures of the pages on how it works: python docs/draw_figures.py."""

from pathlib import Path

import numpy as np

from gru4rec.data.schedule import make_schedule

FOLDER = Path(__file__).parent / "figures"
# Okabe and Ito's colours, which colour-blind people tell apart; all carry dark text
COLOURS = ("#56b4e9", "#e69f00", "#5fc9a5", "#f0e442", "#dba0c4", "#b9c4cc")
# each figure brings its own ground, so that it is readable on any page
STYLE = """
  text { font: 14px system-ui, sans-serif; fill: #1b2733 }
  .small { font-size: 12px } .on { fill: #16202a } .strong { font-weight: 600 }
  .ground { fill: #f7f9fb } .line { stroke: #1b2733; fill: none; stroke-width: 1.5 }
  .cell { stroke: #1b2733; stroke-width: 1 } .plain { fill: #ffffff } .reset { fill: #c0392b }
  .mark { fill: #c0392b } .tip { fill: #1b2733 }
  @media (prefers-color-scheme: dark) {
    text, .tip { fill: #e8eef4 } .on { fill: #16202a }
    .ground { fill: #1b2733 } .line { stroke: #e8eef4 } .plain { fill: #34424f }
    .mark { fill: #ff8f80 } .cell { stroke: #0e151c } .reset { fill: #ff6f5e }
  }
"""


class Figure:
    """An SVG that is written line by line."""

    def __init__(self, title: str, width: int, height: int) -> None:
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img"><title>{title}</title>',
            f"<style>{STYLE}</style>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            'markerHeight="7" orient="auto"><path class="tip" d="M0 0 8 4 0 8z"/></marker></defs>',
            f'<rect class="ground" width="{width}" height="{height}" rx="8"/>',
        ]

    def text(self, x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> None:
        """Writes words, whose baseline is at y."""
        self._parts.append(
            f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">{words}</text>'
        )

    def box(self, x: float, y: float, w: float, h: float, fill: str = "", kind: str = "") -> None:
        """Draws a rectangle."""
        style = f' style="fill:{fill}"' if fill else ""
        self._parts.append(
            f'<rect class="cell {kind}" x="{x}" y="{y}" width="{w}" height="{h}"{style}/>'
        )

    def arrow(self, *points: tuple[float, float]) -> None:
        """Draws a line with a tip at its end."""
        path = " L".join(f"{x} {y}" for x, y in points)
        self._parts.append(f'<path class="line" marker-end="url(#tip)" d="M{path}"/>')

    def save(self, name: str) -> None:
        """Writes the file."""
        (FOLDER / name).write_text("\n".join([*self._parts, "</svg>\n"]), encoding="utf-8")


def draw_lanes() -> None:
    """The schedule of an epoch of six sessions in three lanes, as the trainer has it."""
    lengths = np.array([4, 3, 6, 4, 3, 3])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    plan = make_schedule(offsets, order=np.arange(len(lengths)), batch_size=3)
    session_of = np.repeat(np.arange(len(lengths)), lengths)
    letters = [f"{'abcdef'[s]}{i - offsets[s] + 1}" for i, s in enumerate(session_of)]
    side, high, left, top = 78, 58, 92, 92
    figure = Figure("An epoch of six sessions in three lanes", left + side * plan.n_steps + 24, 392)
    figure.text(20, 32, "Six sessions a to f, oldest first, read in three lanes", "strong")
    figure.text(
        20, 54, "a cell: the item that a lane reads → the item that it has to rank first", "small"
    )
    for step, (begin, end) in enumerate(plan.steps()):
        x = left + step * side
        figure.text(x + side / 2, top - 10, f"step {step + 1}", "small", "middle")
        for lane, place in enumerate(range(begin, end)):
            event, y = int(plan.positions[place]), top + lane * (high + 10)
            figure.box(x, y, side, high, COLOURS[session_of[event]])
            figure.text(
                x + side / 2, y + 35, f"{letters[event]} → {letters[event + 1]}", "on", "middle"
            )
            if plan.starts[place]:
                figure.box(x, y, 7, high, kind="reset")
        figure.text(
            x + side / 2, 318, f"{end - begin} row{'s' * (end - begin > 1)}", "small", "middle"
        )
    for lane in range(plan.n_lanes):
        figure.text(20, top + lane * (high + 10) + 34, f"lane {lane + 1}")
    figure.text(20, 318, "batch")
    figure.box(20, 340, 7, 16, kind="reset")
    figure.text(
        36,
        353,
        "a session begins: the lane's hidden states are set to zero, in all layers",
        "small",
    )
    figure.text(
        20,
        376,
        "otherwise the state of the lane goes on to the next step; gradients do not",
        "small",
    )
    figure.save("lanes.svg")


def draw_step() -> None:
    """What a training step reads, computes and writes."""
    figure = Figure("Memory in a training step", 900, 520)
    figure.text(20, 32, "One step, n rows, d distinct candidates, k units", "strong")
    figure.text(
        20, 54, "large: reached row by row; small: stays in the processor's caches", "small"
    )
    # the table
    figure.text(24, 92, "table", "strong")
    figure.text(24, 110, "items × k, and biases", "small")
    used = {3: 0, 6: 1, 8: 2, 13: 3, 17: 4}
    for row in range(20):
        fill = COLOURS[used[row]] if row in used else ""
        figure.box(24, 124 + row * 17, 110, 17, fill, "" if fill else "plain")
    figure.text(24, 488, "Adagrad's sums: likewise", "small")
    # gathered
    x, y = 262, 124
    figure.text(x, 92, "gathered", "strong")
    figure.text(x, 110, "d × k, copied", "small")
    for row, place in used.items():
        figure.box(x, y + place * 26, 110, 26, COLOURS[place])
        figure.arrow((136, 132 + row * 17), (x - 4, y + place * 26 + 13))
    figure.text(x, 282, "only rows of targets,", "small")
    figure.text(x, 298, "negatives and inputs,", "small")
    figure.text(x, 314, "each once", "small")
    # states
    figure.text(470, 92, "states", "strong")
    figure.text(470, 110, "n × k, of the GRU", "small")
    for lane in range(3):
        figure.box(470, 124 + lane * 26, 110, 26, kind="plain")
        figure.text(525, 142 + lane * 26, f"lane {lane + 1}", "small", "middle")
    # scores
    figure.text(680, 92, "scores", "strong")
    figure.text(680, 110, "n × d, then their gradient", "small")
    for lane in range(3):
        for place in range(5):
            figure.box(680 + place * 30, 124 + lane * 26, 30, 26, COLOURS[place])
    figure.arrow((582, 163), (676, 163))
    figure.text(629, 154, "product", "small", "middle")
    figure.arrow((374, 226), (695, 226), (695, 206))
    # gradient
    figure.text(470, 320, "gradient", "strong")
    figure.text(470, 340, "d rows: k numbers, the bias,", "small")
    figure.text(470, 355, "and what fills a cache line", "small")
    for place in range(5):
        figure.box(470, 362 + place * 26, 110, 26, COLOURS[place])
        figure.box(580, 362 + place * 26, 20, 26, COLOURS[place])
        figure.box(600, 362 + place * 26, 30, 26, kind="plain")
    figure.arrow((755, 206), (755, 428), (634, 428))
    figure.text(768, 300, "scores' gradient,", "small")
    figure.text(768, 316, "times states", "small")
    figure.text(768, 332, "with a 1 beside", "small")
    figure.arrow((466, 428), (140, 428))
    figure.text(302, 420, "Adagrad on these rows only", "small", "middle")
    figure.save("step_memory.svg")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    draw_lanes()
    draw_step()
