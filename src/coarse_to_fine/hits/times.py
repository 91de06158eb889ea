"""Times in the video as people read them and as file names bear them."""

from __future__ import annotations


def clock(seconds: float) -> str:
    """h:mm:ss.s, without hours below one hour; rounded to a tenth of a second.

    Example:
        >>> clock(3675.26), clock(7)
        ('1:01:15.3', '0:07.0')
    """
    tenths = round(seconds * 10)
    hours, rest = divmod(tenths, 36000)
    minutes, rest = divmod(rest, 600)
    whole, tenth = divmod(rest, 10)
    return (f"{hours}:{minutes:02d}" if hours else f"{minutes}") + f":{whole:02d}.{tenth}"


def clock_range(start_s: float, end_s: float) -> str:
    """Start and end with a dash between.

    Example:
        >>> clock_range(7, 12.34)
        '0:07.0-0:12.3'
    """
    return f"{clock(start_s)}-{clock(end_s)}"
