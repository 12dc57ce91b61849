"""Figures: numbers in, Plotly's own JSON out, and under each the same numbers as a table. PURE.

Plain dicts, not plotly.graph_objects: a web worker need not hold Plotly; the tests let it judge every figure. Colours are the
console's tokens ("var(--cx-good)") and models' names ("var(--model:openai:codex)"), so that a figure follows the theme.
"""
