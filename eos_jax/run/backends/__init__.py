"""Who computes a job's tiles: one file per backend, a function (job, tiles, sink, report, ...)."""
