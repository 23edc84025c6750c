"""The rows of the table, in its order."""

from bench.jobs import batches, frames, lidar, opening, samples
from bench.timing import Job

JOBS: list[Job] = [*frames.JOBS, *batches.JOBS, *samples.JOBS, *lidar.JOBS, *opening.JOBS]
