"""Extension of Sphinx: equations as MathML, the table of commands, and pictures of the gallery."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util.docutils import SphinxDirective

#: docutils puts the index of an accented letter below it in equations on lines of their own.
ACCENTED = re.compile(
    r"<munderover>\s*(<mi>\w+</mi>)\s*((?:<mrow>.*?</mrow>)|(?:<mi>\w+</mi>))"
    r'\s*(<mo stretchy="false">ˆ</mo>)\s*</munderover>',
    re.DOTALL,
)


class Commands(SphinxDirective):
    """A table of the commands and what each does."""

    def run(self) -> list[nodes.Node]:
        import typer.main

        from cfcore.cli import build

        found: list[tuple[str, str]] = []

        def walk(group: Any, prefix: str) -> None:
            for name, command in group.commands.items():
                if hasattr(command, "commands"):
                    walk(command, f"{prefix}{name} ")
                else:
                    found.append((f"{prefix}{name}", (command.help or "").split("\n\n")[0]))

        walk(typer.main.get_command(build()), "cfcore ")
        items = []
        for name, said in found:
            term = nodes.term("", "", nodes.literal("", name))
            text = nodes.paragraph("", " ".join(said.split()))
            items.append(nodes.definition_list_item("", term, nodes.definition("", text)))
        return [nodes.definition_list("", *items)]


def visit_inline(self: Any, node: nodes.Element) -> None:
    self.body.append(f"<math>{inner(node, False)}</math>")
    raise nodes.SkipNode


def visit_block(self: Any, node: nodes.Element) -> None:
    self.body.append(f'<div class="math"><math display="block">{inner(node, True)}</math></div>')
    raise nodes.SkipNode


def inner(node: nodes.Element, block: bool) -> str:
    """MathML of an equation, which browsers draw without a script; Sphinx's lines of `\\\\` are kept."""
    text = node.astext()
    lines = [part for part in text.split("\n\n") if part.strip()]
    if block and len(lines) > 1:
        text = r"\begin{aligned}" + r"\\".join(lines) + r"\end{aligned}"
    for size in (r"\Bigl", r"\Bigr", r"\Big", r"\bigl", r"\bigr"):  # MathML stretches brackets by itself
        text = text.replace(size, "")
    made = ACCENTED.sub(r"<msub><mover>\1\3</mover>\2</msub>", str(tex2mathml(text, as_block=block)))
    return made[made.index(">") + 1 : made.rindex("</math>")]


def skip(app: Any, what: str, name: str, item: Any, skipped: bool, options: Any) -> bool | None:
    """Leave out what scikit-learn adds to its estimators, whose texts refer to pages of its own site."""
    return True if name.endswith("_request") or name == "get_metadata_routing" else None


def _get_sg_image_scraper() -> Any:
    """What Sphinx-Gallery calls for pictures: figures of examples, which pyplot does not know."""
    return scrape


def scrape(block: Any, variables: dict[str, Any], settings: dict[str, Any]) -> str:
    """Save the figures that an example has made since its last block."""
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from sphinx_gallery.scrapers import figure_rst

    paths = []
    for value in list(variables["example_globals"].values()):
        figure = value.figure if isinstance(value, Axes) else value
        if isinstance(figure, Figure) and not hasattr(figure, "was_saved"):
            figure.was_saved = True  # type: ignore[attr-defined]
            path = str(next(variables["image_path_iterator"]))
            figure.savefig(path, dpi=110, bbox_inches="tight")
            paths.append(path)
    return str(figure_rst(paths, settings["src_dir"]))


def setup(app: Any) -> dict[str, Any]:
    app.add_directive("commands", Commands)
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    app.connect("autodoc-skip-member", skip)
    app.config.html_math_renderer = "mathml"
    return {"version": "1", "parallel_read_safe": True}
