"""A ticket's code as a picture that a camera reads."""

from __future__ import annotations

from io import BytesIO


def svg(text: str) -> str:
    """The text as a QR symbol (error correction M), scalable, ready to stand in a page or a file."""
    import segno

    picture = BytesIO()
    symbol = segno.make(text, error="m", boost_error=False, micro=False)
    symbol.save(picture, kind="svg", xmldecl=False, omitsize=True, svgclass=None, lineclass=None, nl=False)
    return picture.getvalue().decode()
