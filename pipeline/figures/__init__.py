"""The pictures of a report: curves, confusion, examples."""

from pipeline.figures.classes import bars, confusion
from pipeline.figures.drawing import canvas, save
from pipeline.figures.pictures import captioned, clips, images
from pipeline.figures.texts import by_character, by_position, mistakes, sequences, spans
from pipeline.figures.timelines import timelines
from pipeline.figures.trainings import curves, gradients
from pipeline.figures.translations import attention, scores_by_length, translations
from pipeline.figures.values import errors_by_step, forecasts, scatter, series

__all__ = [
    "attention",
    "bars",
    "by_character",
    "by_position",
    "canvas",
    "captioned",
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
    "scores_by_length",
    "sequences",
    "series",
    "spans",
    "timelines",
    "translations",
]
