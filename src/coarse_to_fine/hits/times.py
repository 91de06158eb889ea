"""Times in the video as people read them and as file names bear them."""

from __future__ import annotations

DECIMALS, MOST_DECIMALS = 1, 3


def clock(seconds: float, decimals: int = DECIMALS) -> str:
    """h:mm:ss.s, without hours below one hour; rounded to a tenth of a second, or to `decimals`.

    Example:
        >>> clock(3675.26), clock(7)
        ('1:01:15.3', '0:07.0')
    """
    parts_a_second: int = 10**decimals
    whole, part = divmod(round(seconds * parts_a_second), parts_a_second)
    hours, rest = divmod(whole, 3600)
    minutes, whole = divmod(rest, 60)
    return (f"{hours}:{minutes:02d}" if hours else f"{minutes}") + f":{whole:02d}.{part:0{decimals}d}"


def clocks(start_s: float, end_s: float) -> tuple[str, str]:
    """Start and end, as fine as is needed to tell them apart.

    Example:
        >>> clocks(7, 12.34), clocks(0, 0.033)
        (('0:07.0', '0:12.3'), ('0:00.00', '0:00.03'))
    """
    for decimals in range(DECIMALS, MOST_DECIMALS):
        start, end = clock(start_s, decimals), clock(end_s, decimals)
        if start != end:
            return start, end
    return clock(start_s, MOST_DECIMALS), clock(end_s, MOST_DECIMALS)


def clock_range(start_s: float, end_s: float) -> str:
    """Start and end with a dash between.

    Example:
        >>> clock_range(7, 12.34)
        '0:07.0-0:12.3'
    """
    return "-".join(clocks(start_s, end_s))
