"""Figures as SVG, the same bytes for the same figure."""

import io

from matplotlib.figure import Figure


def svg_bytes(figure: Figure) -> bytes:
    """A figure as SVG, without a date, so that equal runs give equal files."""
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
