"""How Sphinx makes HTML of the pages that `python -m experiments.site` has written."""

import inspect
import re

from sslax import __version__

project = "sslax"
author = "The sslax developers"
copyright = "the sslax developers, Apache-2.0"
release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
napoleon_use_ivar = True
napoleon_use_rtype = False  # a colon in what is returned does not make a type of it
myst_heading_anchors = 4
autodoc_member_order = "bysource"
maximum_signature_line_length = 70
python_use_unqualified_type_names = True
highlight_language = "none"
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = f"sslax {__version__}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False

# Formulas of docstrings: `loss = ...`, `q <- ...`.
FORMULA = re.compile(r"[a-z][\w']* ?(<-|=) ")
# What Markdown and RST both mark, and what RST alone would take for a mark.
MARKED = re.compile(r"(`[^`]*`|(?<!\w)\*\w[^*\n]*\w\*(?!\w))")
SIGN = re.compile(r"[|*]|_(?!\w)")
STARS = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def as_restructured(app, what, name, thing, options, lines):
    """Docstrings are Markdown in the little that they have of it; Sphinx reads RST."""
    del app, what, name, thing, options
    paragraphs = "\n".join(lines).split("\n\n")
    lines[:] = "\n\n".join(map(_paragraph, paragraphs)).split("\n")


def _paragraph(text):
    if ">>>" in text:
        return text
    if FORMULA.match(text):
        return "::\n\n" + "\n".join(f"   {line}" for line in text.split("\n"))
    parts = MARKED.split(text)
    parts[::2] = [SIGN.sub(r"\\\g<0>", part) for part in parts[::2]]
    # One backquote is code in Markdown, two are in RST, with no blank beside them.
    code = (f"``{part[1:-1].strip()}``" for part in parts[1::2])
    marked = zip(code, parts[1::2], strict=True)
    parts[1::2] = [new if old.startswith("`") else old for new, old in marked]
    return "".join(parts)


def as_written(app, what, name, thing, options, signature, returns):
    """Signatures with the annotations of the source: shapes, and no modules of them."""
    del app, what, name, options, signature, returns
    if not inspect.isfunction(thing):
        return None
    made = inspect.signature(thing)
    shown, barred = [], False
    for parameter in made.parameters.values():
        stars = STARS.get(parameter.kind, "")
        if parameter.kind is parameter.KEYWORD_ONLY and not barred:
            shown.append("*")
        barred = barred or parameter.kind is parameter.KEYWORD_ONLY or stars == "*"
        text = stars + parameter.name
        if parameter.annotation is not parameter.empty:
            text += f": {parameter.annotation}"
        if parameter.default is not parameter.empty:
            text += f" = {parameter.default!r}"
        shown.append(text)
    given = made.return_annotation
    return f"({', '.join(shown)})", None if given is made.empty else str(given)


def setup(app):
    """Called by Sphinx; the priority is before that of napoleon."""
    app.connect("autodoc-process-docstring", as_restructured, priority=400)
    app.connect("autodoc-process-signature", as_written)
