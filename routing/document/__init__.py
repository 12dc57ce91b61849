"""The routing table as one JSON document: `load`, `dump`, the seeds' table, and the forms and checks behind them.

form        the parts (routing/schema.json is made from it);  fields: what they are made of
table       the table as a value: parse, merge, compare
checks      what must hold of the whole;  secrecy: secrets where they do not belong;  telling: differences as lines
rows        rows → table;  writing: the differences → rows (only `routing.changes` calls it)
loading     load, preview, dump;  stravinsky: the other form that load takes;  seed: what a new installation begins with
"""

from routing.document.checks import model_names, task_names
from routing.document.form import schema
from routing.document.loading import Loaded, dump, dump_stravinsky, load, preview, read
from routing.document.seed import apply_environment, load_seed
from routing.document.table import Change, Invalid, Problem
from routing.document.telling import lines as diff_lines
from routing.document.telling import summary as diff_summary

__all__ = [
    "Change",
    "Invalid",
    "Loaded",
    "Problem",
    "apply_environment",
    "diff_lines",
    "diff_summary",
    "dump",
    "dump_stravinsky",
    "load",
    "load_seed",
    "model_names",
    "preview",
    "read",
    "schema",
    "task_names",
]
