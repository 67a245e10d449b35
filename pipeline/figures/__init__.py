"""The pictures of a report: curves, confusion, examples."""

from pipeline.figures.classes import bars, confusion
from pipeline.figures.drawing import canvas, save
from pipeline.figures.pictures import clips, images
from pipeline.figures.texts import by_character, by_position, mistakes, sequences, spans
from pipeline.figures.trainings import curves, gradients
from pipeline.figures.values import errors_by_step, forecasts, scatter, series

__all__ = [
    "bars",
    "by_character",
    "by_position",
    "canvas",
    "clips",
    "confusion",
    "curves",
    "errors_by_step",
    "forecasts",
    "gradients",
    "images",
    "mistakes",
    "save",
    "scatter",
    "sequences",
    "series",
    "spans",
]
