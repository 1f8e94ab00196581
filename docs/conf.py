"""How Sphinx builds the documents: ``make docs``."""

project = "hpcapvf"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["results"]
html_theme = "alabaster"
myst_heading_anchors = 3
# Blocks of `console` and the like without a lexer are shown as they are.
suppress_warnings = ["misc.highlighting_failure"]
