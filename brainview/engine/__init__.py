"""Jobs on dask: an embedded cluster by default, any scheduler address, SLURM through dask-jobqueue.

The window's process imports only this package's light half; what a job needs is imported by its worker.
"""

from brainview.engine.engine import Engine, Session
from brainview.engine.handle import JobHandle

__all__ = ["Engine", "JobHandle", "Session"]
