"""Many lanes: axes to lanes to tiles, tiles to workers, one tile run until it is decided."""
