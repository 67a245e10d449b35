"""How stored arrays become a batch: the named views. A variant names one; nothing after `generate` knows the source."""

from pipeline.dataset import Description
from pipeline.errors import UserError, choices
from pipeline.views.forecasts import Windows
from pipeline.views.pictures import Clips, Frames, Images, Quadrants
from pipeline.views.segments import WindowsToSegments
from pipeline.views.sequences import Sequences
from pipeline.views.symbols import NextSymbol, NextSymbols, OneHot, OneHotToLabel
from pipeline.views.texts import Texts
from pipeline.views.view import ExampleSpec, View, batch_of
from pipeline.views.written import ClipToText, ImageToText, TextToText

__all__ = ["VIEWS", "ExampleSpec", "View", "batch_of", "open_view"]
VIEWS: dict[str, View] = {
    "clips": Clips(),
    "frames": Frames(),
    "images": Images(),
    "quadrants": Quadrants(),
    "one_hot": OneHot(),
    "one_hot_to_label": OneHotToLabel(),
    "next_symbol": NextSymbol(),
    "next_symbols": NextSymbols(),
    "sequence_to_label": Sequences("one label"),
    "sequence_to_labels": Sequences("a label at each step"),
    "sequence_to_value": Sequences("one value"),
    "sequence_to_values": Sequences("a value at each step"),
    "text_to_text": TextToText(),
    "image_to_text": ImageToText(),
    "clip_to_text": ClipToText(),
    "tokens_to_label": Texts("one label"),
    "tokens_to_labels": Texts("a label at each step"),
    "window_to_values": Windows(),
    "windows_to_segments": WindowsToSegments(),
}


def open_view(name: str, description: Description, where: str) -> View:
    """The view `name`, which must suit the dataset's layout; `where` says in which file and key the name was found."""
    if name not in VIEWS:
        raise UserError(f"{where}: unknown view {name!r}; {choices(name, VIEWS)}")
    view = VIEWS[name]
    suited = [key for key, other in VIEWS.items() if other.layout == description.layout]
    if view.layout != description.layout:
        raise UserError(
            f"{where}: view {name!r} reads {view.layout}, the dataset holds {description.layout}; allowed: "
            f"{', '.join(suited)}"
        )
    if (view.asks == "a text") != (description.answers is not None):
        fitting = [other for other in suited if (VIEWS[other].asks == "a text") == (description.answers is not None)]
        raise UserError(
            f"{where}: view {name!r} asks for {view.asks}, and the dataset's answers are "
            f"{'' if description.answers else 'no '}texts; allowed: {', '.join(fitting)}"
        )
    if ("segments" in view.asks) != (description.windows is not None):
        raise UserError(
            f"{where}: view {name!r} asks for {view.asks}, and the dataset's steps are "
            f"{'' if description.windows else 'no '}windows of videos; allowed: "
            f"{', '.join(other for other in suited if ('segments' in VIEWS[other].asks) == bool(description.windows))}"
        )
    return view
