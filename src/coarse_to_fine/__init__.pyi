"""The public names for type checkers and editors; `__init__.py` imports them on first use."""

from coarse_to_fine.errors import CtfError as CtfError
from coarse_to_fine.hits.clips import cut_hits as cut_hits
from coarse_to_fine.hits.clips import make_reel as make_reel
from coarse_to_fine.hits.notebook import display_hits as display_hits
from coarse_to_fine.hits.players import open_hit as open_hit
from coarse_to_fine.hits.plot import plot_moments as plot_moments
from coarse_to_fine.library import Library as Library
from coarse_to_fine.main_pipeline import Pipeline as Pipeline
from coarse_to_fine.main_pipeline import Query as Query
from coarse_to_fine.main_pipeline.choosing import chosen_videos as chosen_videos
from coarse_to_fine.types import MomentHit as MomentHit
from coarse_to_fine.types import VideoHit as VideoHit
from coarse_to_fine.types import VideoMoments as VideoMoments

__version__: str
