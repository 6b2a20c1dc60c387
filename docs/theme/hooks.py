"""What the site needs beyond Markdown: formulas, doctests, links from sources to the reference."""

import html
import re

from latex2mathml.converter import convert
from markdown import Extension
from markdown.preprocessors import Preprocessor

_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
# LaTeX sets a space after a function that no bracket follows, MathML does not.
_FUNCTION = re.compile(r"(<mi>(?:log|det)</mi>)(?!<mo[^>]*>(?:&#x00028;|\())")
# [`name`](../keras_vae/module.py): the file is not part of the site, its documentation is.
_SOURCE = re.compile(r"\[`([\w.]+)`\]\((?:\.\./)+((?:keras_vae|export)/[\w/]+)\.py\)")


class _Fence(Preprocessor):
    """Put the examples of a docstring into fences: Markdown takes `>>>` for quotations."""

    def run(self, lines):
        found, inside = [], False
        for line in (*lines, ""):
            begins = not inside and line.lstrip().startswith(">>> ")
            ends = inside and not line.strip()
            if begins or ends:
                indent = line[: len(line) - len(line.lstrip())]
                found.append(f"{indent}```pycon" if begins else f"{self._indent}```")
                self._indent, inside = indent, begins
            found.append(line)
        return found[:-1]

    _indent = ""


class _Doctests(Extension):
    def extendMarkdown(self, md):
        # Before fences are looked for.
        md.preprocessors.register(_Fence(md), "doctests", 40)


def on_config(config, **_):
    """Add the extension for doctests to those of Markdown.

    Args:
        config: the configuration of MkDocs.

    Returns:
        It.
    """
    config.markdown_extensions.append(_Doctests())
    return config


def on_page_markdown(markdown, **_):
    """Turn links to names in source files into links to the reference.

    Args:
        markdown: str, a page.

    Returns:
        str, the page.
    """
    return _SOURCE.sub(lambda found: f"[`{found[1]}`][{_identifier(*found.groups())}]", markdown)


def on_page_content(html, **_):
    """Turn formulas into MathML, which a browser shows without a script.

    Args:
        html: str, the HTML of a page.

    Returns:
        str, the HTML.
    """
    return _FORMULA.sub(_mathml, html)


def _identifier(name, path):
    module = path.replace("/", ".").removesuffix(".__init__")
    return module if module.endswith(f".{name}") else f"{module}.{name}"


def _mathml(found):
    kind, formula = found.groups()
    display = "block" if kind == "div" else "inline"
    mathml = convert(html.unescape(formula.strip()), display=display)
    return _FUNCTION.sub(r'\1<mspace width="0.17em" />', mathml)
