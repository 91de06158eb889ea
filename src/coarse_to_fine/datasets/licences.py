"""Where each data set comes from and the licence line that its release prints; we ship none of them."""

from __future__ import annotations

LICENCES = {
    "charades-sta": "Charades-STA (Gao et al., 2017); the licence of the annotations is not printed in its releases",
    "charades-cd": "Charades-CD (Yuan et al., 2021); the licence of the annotations is not printed in its releases",
    "charades-cg": "Charades-CG (Li et al., 2022); the licence of the annotations is not printed in its releases",
    "tacos": "TACoS (Regneri et al., 2013); the licence of the annotations is not printed in its releases",
    "lighthouse": "a data set in the layout of Lighthouse (code Apache-2.0); see the data set's own licence",
    "qvhighlights": "QVHighlights (Lei et al., 2021), annotations CC BY-NC-SA 4.0",
    "activitynet": "ActivityNet Captions (Krishna et al., 2017); see its own licence",
    "msrvtt": "MSR-VTT (Xu et al., 2016); its own licence is not printed in the releases",
    "msrvtt-captions": "MSR-VTT (Xu et al., 2016); its own licence is not printed in the releases",
    "msrvtt-list": "MSR-VTT (Xu et al., 2016); its own licence is not printed in the releases",
    "didemo": "DiDeMo (Hendricks et al., 2017); its own licence is not printed in the releases",
    "didemo-csv": "DiDeMo (Hendricks et al., 2017); its own licence is not printed in the releases",
    "lsmdc": "LSMDC (Rohrbach et al., 2015); needs a permission from MPII",
}
UNKNOWN = "see the licence of the data set"


def licence_line(format: str) -> str:
    """Source and licence of the data set that a format belongs to."""
    return LICENCES.get(format, UNKNOWN)
