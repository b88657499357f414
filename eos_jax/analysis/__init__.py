"""What orbits mean: how they repeat, how they diverge, what a limit is when steps shrink."""
