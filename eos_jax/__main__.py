"""`python -m eos_jax` is the command `eos-jax`."""

from eos_jax.cli import main

if __name__ == "__main__":
    main()
