"""The paper as a programme: its figures and its claims."""
